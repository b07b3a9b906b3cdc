/* SPDX-License-Identifier: MIT */
#include "hash.h"

#include "word.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void
mix_round(struct state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 = rotate_left(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 = rotate_left(s->v2, 32);
}

/* The bytes behind the last whole word, and the length in the top byte. */
static inline uint64_t
read_tail(const unsigned char *p, size_t len)
{
    size_t rest = len % 8;
    uint64_t word = (uint64_t)len << 56;

    if (rest > 0 && len > 8)
        return word | whs_word_read(p + len - 8) >> (64 - 8 * rest);
    for (size_t i = 0; i < rest; i++)
        word |= (uint64_t)p[len - rest + i] << (8 * i);
    return word;
}

uint64_t
whs_hash_bytes(const struct whs_hash_key *key, struct whs_slice bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    /* "somepseudorandomlygeneratedbytes", as the algorithm has it. */
    struct state s = {
        key->k0 ^ 0x736f6d6570736575u,
        key->k1 ^ 0x646f72616e646f6du,
        key->k0 ^ 0x6c7967656e657261u,
        key->k1 ^ 0x7465646279746573u,
    };

    for (size_t i = 0; i + 8 <= bytes.len; i += 8) {
        uint64_t word = whs_word_read(p + i);
        s.v3 ^= word;
        mix_round(&s);
        s.v0 ^= word;
    }
    uint64_t tail = read_tail(p, bytes.len);
    s.v3 ^= tail;
    mix_round(&s);
    s.v0 ^= tail;
    s.v2 ^= 0xff;
    mix_round(&s);
    mix_round(&s);
    mix_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
