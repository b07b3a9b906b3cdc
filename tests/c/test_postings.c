/* SPDX-License-Identifier: MIT
 *
 * postings: with hashes that all meet, nothing but comparing decides; random changes
 * against a plain list of who is where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "fake_clock.h"
#include "handmade.h"
#include "postings.h"

#define SUBS 600
#define LISTS 40

/* Who is in, and where the postings said it stands. */
struct member {
    struct whs_subscriber *sub; /* NULL: not in */
    struct whs_posting_place place;
};

struct stage {
    struct whs_epoch epoch;
    struct whs_postings *postings;
    struct member members[SUBS];
    uint64_t spread; /* how many different hashes there are */
};

static struct stage stage;

static void
note_move(void *ctx, const struct whs_subscriber *sub, uint32_t place)
{
    struct stage *told = ctx;
    assert_ptr_equal(told->members[sub->seq].sub, sub);
    told->members[sub->seq].place.place = place;
}

static void
open_stage(uint64_t spread)
{
    stage = (struct stage){.spread = spread};
    whs_epoch_init(&stage.epoch);
    stage.postings = whs_postings_create(&stage.epoch, note_move, &stage);
    assert_non_null(stage.postings);
}

static const char *
text_of(int64_t seq)
{
    static char text[8];
    snprintf(text, sizeof(text), "t%02d", (int)(seq % LISTS));
    return text;
}

static struct whs_posting_key
key_of(int64_t seq)
{
    uint64_t list = (uint64_t)(seq % LISTS);
    return (struct whs_posting_key){.hash = list % stage.spread << 40 | 7,
                                    .identity = list / 2};
}

static bool
is_same_text(const void *ctx, size_t key, const char *text)
{
    return memcmp(text_of(((const int64_t *)ctx)[key]), text, 3) == 0;
}

static enum whs_status
add(int64_t seq)
{
    struct member *member = &stage.members[seq];
    struct whs_subscriber *sub =
        handmade_subscriber(seq, text_of(seq), WHS_ACTION_ANY, 0);
    enum whs_status status = whs_postings_add(stage.postings, key_of(seq),
                                              whs_subscriber_ref(sub), &member->place);
    if (status != WHS_OK) {
        whs_subscriber_unref(sub);
        handmade_free(sub);
        return status;
    }
    member->sub = sub;
    return WHS_OK;
}

static void
drop(struct whs_subscriber *sub)
{
    whs_epoch_wait(&stage.epoch);
    handmade_free(sub);
}

static void
take_out(int64_t seq)
{
    struct member *member = &stage.members[seq];
    struct whs_subscriber *sub = member->sub;
    whs_postings_remove(stage.postings, member->place);
    member->sub = NULL;
    drop(sub);
}

static void
exchange(int64_t seq)
{
    struct member *member = &stage.members[seq];
    struct whs_subscriber *old = member->sub;
    member->sub = handmade_subscriber(seq, text_of(seq), WHS_ACTION_ANY, 0);
    whs_postings_replace(stage.postings, member->place,
                         whs_subscriber_ref(member->sub));
    drop(old);
}

/* Every list holds exactly its members, each once. */
static void
check_lists(void)
{
    int64_t seqs[LISTS];
    struct whs_posting_key keys[LISTS];
    struct whs_posting_view views[LISTS];
    size_t met = 0, in = 0;
    for (int64_t list = 0; list < LISTS; list++) {
        seqs[list] = list;
        keys[list] = key_of(list);
    }
    size_t found =
        whs_postings_find(stage.postings, keys, LISTS, is_same_text, seqs, views);
    for (size_t v = 0; v < found; v++) {
        if (views[v].one) {
            assert_ptr_equal(stage.members[views[v].one->seq].sub, views[v].one);
            assert_int_equal(views[v].one->seq % LISTS, views[v].key);
            met++;
        }
        for (size_t i = 0; i < views[v].len; i++) {
            const struct whs_subscriber *sub = atomic_load(&views[v].members[i]);
            if (!sub)
                continue;
            assert_ptr_equal(stage.members[sub->seq].sub, sub);
            assert_int_equal(stage.members[sub->seq].place.place, i);
            assert_int_equal(sub->seq % LISTS, views[v].key);
            met++;
        }
    }
    for (int64_t seq = 0; seq < SUBS; seq++)
        in += stage.members[seq].sub != NULL;
    assert_int_equal(met, in);
}

static void
close_stage(void)
{
    whs_epoch_wait(&stage.epoch);
    whs_postings_destroy(stage.postings);
    whs_epoch_fini(&stage.epoch);
    for (int64_t seq = 0; seq < SUBS; seq++)
        if (stage.members[seq].sub)
            handmade_free(stage.members[seq].sub);
}

static void
change_at_random(uint64_t spread)
{
    struct fake_random random = {spread};
    open_stage(spread);
    for (int round = 0; round < 6000; round++) {
        int64_t seq = (int64_t)fake_random_below(&random, SUBS);
        if (!stage.members[seq].sub)
            assert_int_equal(add(seq), WHS_OK);
        else if (fake_random_below(&random, 3) == 0)
            exchange(seq);
        else
            take_out(seq);
        if (round % 50 == 0)
            check_lists();
    }
    check_lists();
    close_stage();
}

static void
lists_hold_their_members_whatever_their_hashes(void **state)
{
    (void)state;
    change_at_random(1);
    change_at_random(3);
    change_at_random(LISTS);
}

static void
what_has_gone_leaves_no_bytes_behind(void **state)
{
    (void)state;
    open_stage(LISTS);
    for (int64_t seq = 0; seq < SUBS; seq++)
        assert_int_equal(add(seq), WHS_OK);
    for (int64_t seq = 0; seq < SUBS; seq++)
        take_out(seq);
    size_t bytes = whs_postings_bytes(stage.postings);
    for (int round = 0; round < 20; round++) {
        for (int64_t seq = 0; seq < SUBS; seq++)
            assert_int_equal(add(seq), WHS_OK);
        for (int64_t seq = SUBS; seq > 0; seq--)
            take_out(seq - 1);
        assert_true(whs_postings_bytes(stage.postings) <= bytes);
    }
    close_stage();
}

static void
without_memory_nothing_is_added_and_nothing_lost(void **state)
{
    (void)state;
    open_stage(2);
    for (int64_t seq = 0; seq < SUBS; seq++) {
        assert_true(failing_alloc_begin(1));
        enum whs_status status = add(seq);
        assert_int_equal(status, failing_alloc_happened() ? WHS_NO_MEMORY : WHS_OK);
        failing_alloc_end();
        if (seq % 20 == 0)
            check_lists();
        if (status != WHS_OK)
            assert_int_equal(add(seq), WHS_OK);
    }
    for (int64_t seq = 0; seq < SUBS; seq++) {
        assert_true(failing_alloc_begin(1));
        take_out(seq);
        failing_alloc_end();
        if (seq % 20 == 0)
            check_lists();
    }
    close_stage();
}

static void
without_memory_there_are_no_postings(void **state)
{
    (void)state;
    struct whs_epoch epoch;
    whs_epoch_init(&epoch);
    for (unsigned n = 1; failing_alloc_begin(n); n++) {
        struct whs_postings *made = whs_postings_create(&epoch, note_move, NULL);
        assert_int_equal(made != NULL, !failing_alloc_happened());
        whs_postings_destroy(made);
        failing_alloc_end();
    }
    whs_epoch_fini(&epoch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_hold_their_members_whatever_their_hashes),
        cmocka_unit_test(what_has_gone_leaves_no_bytes_behind),
        cmocka_unit_test(without_memory_nothing_is_added_and_nothing_lost),
        cmocka_unit_test(without_memory_there_are_no_postings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
