/* SPDX-License-Identifier: MIT */
#include "trie.h"

#include "alloc.h"

/* Node 0 is the root, which is nobody's child: 0 means none. */
struct whs_trie_node {
    struct whs_slice text;
    uint32_t sibling;  /* next literal of the same parent */
    uint32_t literals; /* first literal child */
    uint32_t parameter;
    uint16_t value;
};

void
whs_trie_fini(struct whs_trie *trie)
{
    whs_free(trie->nodes);
    *trie = (struct whs_trie){0};
}

/* Room for a whole path before the first node of it is linked. */
static bool
reserve_nodes(struct whs_trie *trie, uint32_t extra)
{
    if (trie->cap - trie->len >= extra)
        return true;
    uint32_t cap = trie->cap * 2 + extra;
    struct whs_trie_node *nodes = whs_resize(trie->nodes, cap * sizeof(*nodes));
    if (nodes == NULL)
        return false;
    trie->nodes = nodes;
    trie->cap = cap;
    return true;
}

static uint32_t
add_node(struct whs_trie *trie, struct whs_slice text)
{
    trie->nodes[trie->len] =
        (struct whs_trie_node){.text = text, .value = WHS_TRIE_NONE};
    return trie->len++;
}

static uint32_t
find_literal(const struct whs_trie_node *nodes, uint32_t at, struct whs_slice text)
{
    uint32_t child = nodes[at].literals;

    while (child != 0 && !whs_slice_equal(nodes[child].text, text))
        child = nodes[child].sibling;
    return child;
}

static uint32_t
step_into(struct whs_trie *trie, uint32_t at, const struct whs_segment *segment)
{
    uint32_t child = segment->is_parameter
                         ? trie->nodes[at].parameter
                         : find_literal(trie->nodes, at, segment->text);
    if (child != 0)
        return child;
    child = add_node(trie, segment->text);
    if (segment->is_parameter) {
        trie->nodes[at].parameter = child;
    } else {
        trie->nodes[child].sibling = trie->nodes[at].literals;
        trie->nodes[at].literals = child;
    }
    return child;
}

enum whs_status
whs_trie_add(struct whs_trie *trie, const struct whs_pattern *pattern, uint16_t value,
             uint16_t *found)
{
    uint32_t at = 0;

    if (!reserve_nodes(trie, pattern->segment_count + 1u))
        return WHS_NO_MEMORY;
    if (trie->len == 0)
        add_node(trie, (struct whs_slice){0});
    for (uint8_t i = 0; i < pattern->segment_count; i++)
        at = step_into(trie, at, &pattern->segments[i]);
    if (trie->nodes[at].value == WHS_TRIE_NONE)
        trie->nodes[at].value = value;
    *found = trie->nodes[at].value;
    return WHS_OK;
}

static bool
has_same_names(const struct whs_pattern *pattern, const struct whs_segment *segments)
{
    for (uint8_t i = 0; i < pattern->segment_count; i++)
        if (segments[i].is_parameter &&
            !whs_slice_equal(segments[i].text, pattern->segments[i].text))
            return false;
    return true;
}

struct search {
    const struct whs_trie_node *nodes;
    const struct whs_pattern *patterns;
    const struct whs_segment *segments;
    uint8_t count;
};

/* Visits each node at most once: the depth of the recursion is the path's, its breadth
 * the catalog's. */
static uint16_t
search_below(const struct search *search, uint32_t at, uint8_t depth)
{
    const struct whs_trie_node *node = &search->nodes[at];

    if (depth == search->count) {
        if (node->value != WHS_TRIE_NONE &&
            has_same_names(&search->patterns[node->value], search->segments))
            return node->value;
        return WHS_TRIE_NONE;
    }
    const struct whs_segment *segment = &search->segments[depth];
    uint32_t literal =
        segment->is_parameter ? 0 : find_literal(search->nodes, at, segment->text);
    if (literal != 0) {
        uint16_t value = search_below(search, literal, (uint8_t)(depth + 1));
        if (value != WHS_TRIE_NONE)
            return value;
    }
    if (node->parameter == 0)
        return WHS_TRIE_NONE;
    return search_below(search, node->parameter, (uint8_t)(depth + 1));
}

uint16_t
whs_trie_find(const struct whs_trie *trie, const struct whs_pattern *patterns,
              const struct whs_segment *segments, uint8_t count)
{
    const struct search search = {trie->nodes, patterns, segments, count};

    return trie->len == 0 ? WHS_TRIE_NONE : search_below(&search, 0, 0);
}
