#include "CRingPeer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

// Split ring with EVENT_IDX (VIRTIO 1.3, 2.7); the driver trusts nothing of the device and the device nothing of
// the driver, as in the Swift queues.

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, HEADER = 12, MAX_BATCH = 256 };
static const uint32_t longest_readable = 65536 + 18 + HEADER;

struct descriptor { uint64_t address; uint32_t length; uint16_t flags; uint16_t next; };
struct shadow { uint16_t next, count; uint32_t posted, token; };
struct used_chain { uint32_t token, length; };
struct chain { uint16_t head, readable, writable; uint32_t first, readable_bytes, writable_bytes; };

struct crp {
    uint8_t *memory;
    uint64_t memory_size;
    uint8_t *descriptors, *avail, *used;
    uint16_t size;
    uint64_t buffers;
    uint32_t stride;
    // driver; each side has cache lines of its own
    _Alignas(128) struct shadow *shadow;
    uint16_t first_free, free_count, next_avail, published, driver_used, kick_decided;
    int kick_known, driver_broken;
    uint64_t clamped;
    struct used_chain *reaped;
    uint32_t *free_slots;
    uint32_t free_head, free_tail;
    // device
    _Alignas(128) uint16_t base, avail_index, next_used, published_used, in_flight, call_decided;
    int call_known, device_broken;
    uint64_t dropped;
    struct chain *chains;
    struct iovec *segments;
    unsigned chain_count, segment_count;
};

static inline uint16_t load16(const void *p) { return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED); }
static inline uint16_t acquire16(const void *p) { return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE); }
static inline uint32_t load32(const void *p) { return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED); }
static inline uint64_t load64(const void *p) { return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED); }
static inline void store16(void *p, uint16_t v) { __atomic_store_n((uint16_t *)p, v, __ATOMIC_RELAXED); }
static inline void release16(void *p, uint16_t v) { __atomic_store_n((uint16_t *)p, v, __ATOMIC_RELEASE); }
static inline void store32(void *p, uint32_t v) { __atomic_store_n((uint32_t *)p, v, __ATOMIC_RELAXED); }
static inline void store64(void *p, uint64_t v) { __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED); }
static inline void fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

struct crp *crp_new(void *memory, uint64_t memory_size, uint64_t ring, uint16_t size, uint64_t buffers,
                    uint32_t stride) {
    struct crp *p = aligned_alloc(128, sizeof *p);
    if (!p) return NULL;
    *p = (struct crp){.memory = memory, .memory_size = memory_size, .size = size, .buffers = buffers, .stride = stride};
    p->descriptors = p->memory + ring;
    p->avail = p->descriptors + 16 * (size_t)size;
    p->used = p->memory + ((ring + 16 * (uint64_t)size + 6 + 2 * (uint64_t)size + 63) & ~63ull);
    p->shadow = calloc(size, sizeof *p->shadow);
    p->reaped = calloc(size, sizeof *p->reaped);
    p->free_slots = calloc(size, sizeof *p->free_slots);
    p->chains = calloc(MAX_BATCH, sizeof *p->chains);
    p->segments = calloc(1024, sizeof *p->segments);
    for (uint16_t i = 0; i < size; i++) {
        p->shadow[i].next = i + 1;
        p->free_slots[i] = i;
    }
    p->free_tail = size;
    p->free_count = size;
    memset(p->descriptors, 0, 16 * (size_t)size);
    memset(p->avail, 0, 6 + 2 * (size_t)size);
    memset(p->used, 0, 6 + 8 * (size_t)size);
    return p;
}

void crp_free(struct crp *p) {
    free(p->shadow);
    free(p->reaped);
    free(p->free_slots);
    free(p->chains);
    free(p->segments);
    free(p);
}

// ---- driver ----
// Loops keep what changes in locals, as the Swift ones do.

static void driver_fill(struct crp *p, unsigned count, uint32_t length) {
    uint8_t *descriptors = p->descriptors, *avail = p->avail, *memory = p->memory;
    struct shadow *shadow = p->shadow;
    const uint32_t *free_slots = p->free_slots;
    const uint64_t buffers = p->buffers;
    const uint32_t stride = p->stride, mask = p->size - 1;
    uint32_t free_head = p->free_head;
    uint16_t head = p->first_free, next_avail = p->next_avail;
    if (p->driver_broken || count > p->free_count) return;
    for (unsigned i = 0; i < count; i++) {
        uint32_t slot = free_slots[free_head++ & mask];
        uint64_t address = buffers + (uint64_t)slot * stride;
        memset(memory + address, 0, HEADER);
        struct shadow *s = &shadow[head];
        uint16_t next = s->next;
        uint8_t *d = descriptors + 16 * (size_t)head;
        store64(d, address);
        store64(d + 8, (uint64_t)(HEADER + length));
        *s = (struct shadow){.next = 0, .count = 1, .posted = 0, .token = slot};
        store16(avail + 4 + 2 * (size_t)(next_avail & mask), head);
        next_avail++;
        head = next;
    }
    p->free_head = free_head;
    p->first_free = head;
    p->free_count -= count;
    p->next_avail = next_avail;
}

static int driver_publish(struct crp *p) {
    if (p->next_avail == p->published) return 0;
    release16(p->avail + 2, p->next_avail);
    p->published = p->next_avail;
    fence();
    uint16_t event = load16(p->used + 4 + 8 * (size_t)p->size);
    uint16_t old = p->kick_decided;
    int known = p->kick_known;
    p->kick_decided = p->published;
    p->kick_known = 1;
    return !known || (uint16_t)(p->published - event - 1) < (uint16_t)(p->published - old);
}

static unsigned driver_reap(struct crp *p) {
    if (p->driver_broken) return 0;
    uint16_t index = acquire16(p->used + 2);
    uint16_t pending = index - p->driver_used;
    if (pending == 0) return 0;
    if (pending > (uint16_t)(p->published - p->driver_used)) {
        p->driver_broken = 1;
        return 0;
    }
    const uint8_t *used = p->used;
    struct shadow *shadow = p->shadow;
    struct used_chain *reaped = p->reaped;
    const uint16_t size = p->size, first = p->driver_used;
    uint16_t first_free = p->first_free, freed = 0;
    unsigned done = 0;
    while (done < pending) {
        const uint8_t *e = used + 4 + 8 * (size_t)((uint16_t)(first + done) & (size - 1));
        uint32_t id = load32(e), length = load32(e + 4);
        if (id >= size || shadow[id].count == 0) {
            p->driver_broken = 1;
            break;
        }
        struct shadow *s = &shadow[id];
        if (length > s->posted) {
            length = s->posted;
            p->clamped++;
        }
        reaped[done++] = (struct used_chain){s->token, length};
        uint16_t tail = id;
        for (uint16_t i = 1; i < s->count; i++) tail = shadow[tail].next;
        freed += s->count;
        s->count = 0;
        shadow[tail].next = first_free;
        first_free = id;
    }
    p->first_free = first_free;
    p->free_count += freed;
    p->driver_used = first + done;
    return done;
}

static void driver_recycle(struct crp *p) {
    unsigned count = driver_reap(p);
    const struct used_chain *reaped = p->reaped;
    uint32_t *free_slots = p->free_slots, tail = p->free_tail, mask = p->size - 1;
    for (unsigned i = 0; i < count; i++) free_slots[tail++ & mask] = reaped[i].token;
    p->free_tail = tail;
}

// ---- device ----

static int walk(struct crp *p, uint16_t head) {
    (void)p;
    (void)head;
    return -1;  // chains of several descriptors are not part of this measurement: the ring breaks
}

static unsigned device_pop(struct crp *p, unsigned limit) {
    p->chain_count = p->segment_count = 0;
    if (p->device_broken) return 0;
    if ((uint16_t)(p->avail_index - p->base) < limit) {
        uint16_t index = acquire16(p->avail + 2);
        if ((uint16_t)(index - p->base) > p->size || (uint16_t)(index - p->next_used) > p->size) {
            p->device_broken = 1;
            return 0;
        }
        p->avail_index = index;
    }
    const uint8_t *avail = p->avail, *descriptors = p->descriptors;
    uint8_t *memory = p->memory;
    const uint64_t memory_size = p->memory_size;
    struct chain *chains = p->chains;
    struct iovec *segments = p->segments;
    const uint16_t size = p->size, end = p->avail_index;
    uint16_t base = p->base;
    unsigned count = 0;
    while (base != end && count < limit) {
        uint16_t head = load16(avail + 4 + 2 * (size_t)(base & (size - 1)));
        if (head >= size) {
            p->device_broken = 1;
            break;
        }
        const uint8_t *d = descriptors + 16 * (size_t)head;
        uint64_t address = load64(d), word = load64(d + 8);
        uint32_t length = (uint32_t)word;
        uint16_t flags = (uint16_t)(word >> 32);
        if ((flags & (NEXT | INDIRECT | WRITE)) || !length || length > longest_readable || address >= memory_size ||
            length > memory_size - address) {
            p->device_broken = 1;  // other shapes are no part of this measurement
            break;
        }
        segments[count] = (struct iovec){memory + address, length};
        chains[count] = (struct chain){head, 1, 0, count, length, 0};
        count++;
        base++;
    }
    p->base = base;
    p->in_flight += count;
    p->chain_count = p->segment_count = count;
    return count;
}

static void device_push_all(struct crp *p, unsigned count) {
    uint8_t *used = p->used;
    const struct chain *chains = p->chains;
    const uint16_t mask = p->size - 1;
    uint16_t next = p->next_used;
    if (count > p->in_flight) count = p->in_flight;
    for (unsigned i = 0; i < count; i++) {
        uint8_t *e = used + 4 + 8 * (size_t)(next++ & mask);
        store32(e, chains[i].head);
        store32(e + 4, 0);
    }
    p->next_used = next;
    p->in_flight -= count;
}

static int device_publish(struct crp *p) {
    if (p->next_used == p->published_used) return 0;
    release16(p->used + 2, p->next_used);
    p->published_used = p->next_used;
    fence();
    uint16_t event = load16(p->avail + 4 + 2 * (size_t)p->size);
    uint16_t old = p->call_decided;
    int known = p->call_known;
    p->call_decided = p->published_used;
    p->call_known = 1;
    return !known || (uint16_t)(p->published_used - event - 1) < (uint16_t)(p->published_used - old);
}

static unsigned device_take(struct crp *p, unsigned batch, uint8_t *sink) {
    unsigned count = device_pop(p, batch);
    for (unsigned i = 0; i < count; i++) {
        const struct chain *c = &p->chains[i];
        const struct iovec *v = &p->segments[c->first];
        if (v->iov_len <= HEADER) continue;
        uint8_t header[HEADER];
        memcpy(header, v->iov_base, HEADER);
        if (header[0] == 0) memcpy(sink, (uint8_t *)v->iov_base + HEADER, v->iov_len - HEADER);
    }
    device_push_all(p, count);
    return count;
}

// ---- loops ----

uint64_t crp_run(struct crp *p, uint64_t rounds, unsigned batch, uint32_t length, void *sink) {
    uint64_t moved = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        driver_fill(p, batch, length);
        driver_publish(p);
        moved += device_take(p, batch, sink);
        device_publish(p);
        driver_recycle(p);
    }
    return moved;
}

unsigned crp_driver_turn(struct crp *p, unsigned batch, uint32_t length, int *notify) {
    driver_recycle(p);
    unsigned count = p->free_tail - p->free_head;
    if (count > batch) count = batch;
    driver_fill(p, count, length);
    *notify = driver_publish(p);
    return count;
}

int crp_driver_rearm(struct crp *p) {
    store16(p->avail + 4 + 2 * (size_t)p->size, p->driver_used + (uint16_t)(p->published - p->driver_used) / 2);
    fence();
    return (uint16_t)(acquire16(p->used + 2) - p->driver_used) > (uint16_t)(p->published - p->driver_used) / 2;
}

unsigned crp_device_turn(struct crp *p, unsigned batch, void *sink, int *notify) {
    unsigned count = device_take(p, batch, sink);
    *notify = device_publish(p);
    return count;
}

int crp_device_rearm(struct crp *p) {
    store16(p->used + 4 + 8 * (size_t)p->size, p->base);
    fence();
    return acquire16(p->avail + 2) != p->base;
}
