/* A plug-in for qemu-aarch64 (TCG plug-in API version 1, qemu 7.2): counts executed A64 instructions by class, and
 * simulates a data cache hierarchy, between marker system calls of the guest.
 *
 * The guest calls syscall(0x7e57, N), a number that Linux does not have: the real kernel answers ENOSYS. At each such
 * call one line of JSON with the counts since the last one is written to the file `out=`. Nothing is counted before the
 * first marker, nor right behind it. Arguments:
 *
 *   out=FILE  l1=KBxWAYS  l2=KBxWAYS  l3=KBxWAYS (may be left out)
 *
 * The caches are write-back, write-allocate, least recently used, 64 byte lines, and see guest virtual addresses.
 * Instruction fetches, prefetches and page tables are not simulated. Only the thread that set the last marker counts; how
 * often others read or wrote meanwhile is in "foreign_accesses", so that a pool of workers does not go unnoticed.
 *
 * qemu's package ships no qemu-plugin.h, so the few declarations that are needed stand here (GPL-2.0 interface of
 * include/qemu/qemu-plugin.h, version 1).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MARKER 0x7e57
#define LINE_BITS 6

typedef uint64_t plugin_id;
typedef uint32_t memory_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct {
    const char *target_name;
    struct { int min, cur; } version;
    bool system_emulation;
    union { struct { int smp_vcpus, max_vcpus; } system; };
} plugin_info;
enum { NO_REGISTERS = 0 };
enum { READS_AND_WRITES = 3 };

extern void qemu_plugin_reset(plugin_id, void (*)(plugin_id));
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_tb_exec_cb(
    struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_mem_cb(
    struct qemu_plugin_insn *, void (*)(unsigned, memory_info, uint64_t, void *), int, int, void *);
extern unsigned qemu_plugin_mem_size_shift(memory_info);
extern bool qemu_plugin_mem_is_store(memory_info);
extern void qemu_plugin_register_vcpu_syscall_cb(
    plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        uint64_t, uint64_t));

EXPORT int qemu_plugin_version = 1;

/* The seven behind the first are disjoint and add up to it; the rest are parts of simd_fp. */
enum { ALL, LOAD_STORE, BRANCH, INTEGER, SIMD_FP, SVE, SME, OTHER, FMLA32, FMLA16, DOT8, MMLA8, BFMMLA, MLAL, CLASSES };
static const char *const class_names[CLASSES] = {
    "instructions", "load_store", "branch", "integer", "simd_fp", "sve", "sme", "other",
    "fmla_fp32", "fmla_fp16", "dot_int8", "mmla_int8", "bfmmla", "mlal_int",
};

/* A translated block, how often it was executed since the last marker, and what is in it. */
struct block { struct block *next; uint64_t executed; uint16_t parts[CLASSES]; };
static struct block *blocks;

/* Encodings: Arm Architecture Reference Manual, DDI 0487, C4.1; only the vector forms that kernels of networks use. */
static bool fits(uint32_t word, uint32_t mask, uint32_t value) { return (word & mask) == value; }

static int part_of_simd(uint32_t word) {
    if (fits(word, 0xBFA0FC00, 0x0E20CC00) || fits(word, 0xBF80F400, 0x0F801000)) return FMLA32;
    if (fits(word, 0xBFE0FC00, 0x0E400C00) || fits(word, 0xBFC0F400, 0x0F001000)) return FMLA16;
    if (fits(word, 0x9FE0FC00, 0x0E809400) || fits(word, 0x9FC0F400, 0x0F80E000)) return DOT8;   /* SDOT, UDOT */
    if (fits(word, 0xBFE0FC00, 0x0E809C00) || fits(word, 0xBF40F400, 0x0F00F000)) return DOT8;   /* USDOT, SUDOT */
    if (fits(word, 0xDFE0FC00, 0x4E80A400) || fits(word, 0xFFE0FC00, 0x4E80AC00)) return MMLA8;  /* SMMLA, USMMLA */
    if (fits(word, 0xFFE0FC00, 0x6E40EC00)) return BFMMLA;
    if (fits(word, 0x9F20FC00, 0x0E208000) || fits(word, 0x9F20FC00, 0x0E20C000)) return MLAL;   /* SMLAL, SMULL */
    if (fits(word, 0x9F00F400, 0x0F002000) || fits(word, 0x9F00F400, 0x0F00A000)) return MLAL;   /* by element */
    if (fits(word, 0xBF20FC00, 0x0E209400)) return MLAL;                                        /* MLA */
    return ALL;
}

static int class_of(uint32_t word) {
    unsigned group = word >> 25 & 15;
    if ((group & 5) == 4) return LOAD_STORE;
    if ((group & 14) == 10) return BRANCH;
    if ((group & 14) == 8 || (group & 7) == 5) return INTEGER;
    if ((group & 7) == 7) return SIMD_FP;
    if (group == 2) return SVE;
    return group == 0 && word >> 31 ? SME : OTHER;
}

/* Caches. */
struct line { uint64_t tag, used; bool dirty; };
struct cache { uint64_t sets; unsigned ways; struct line *lines; uint64_t accesses, misses; };
enum { MOST_LEVELS = 3 };
static struct cache caches[MOST_LEVELS];
static int levels;
static unsigned owner; /* the thread that sets the markers */
static uint64_t foreign_accesses, now, dram_lines_read, dram_lines_written, bytes_read, bytes_written;

static void touch(int level, uint64_t number, bool dirty, bool is_write_back) {
    if (level == levels) {
        if (dirty) dram_lines_written++; else dram_lines_read++;
        return;
    }
    struct cache *cache = &caches[level];
    struct line *set = cache->lines + number % cache->sets * cache->ways, *oldest = set;
    if (!is_write_back) cache->accesses++;
    for (struct line *line = set; line < set + cache->ways; line++) {
        if (line->tag == number + 1) {
            line->used = ++now;
            line->dirty |= dirty;
            return;
        }
        if (line->used < oldest->used) oldest = line;
    }
    struct line victim = *oldest;
    *oldest = (struct line){number + 1, ++now, dirty};
    if (victim.tag && victim.dirty) touch(level + 1, victim.tag - 1, true, true);
    if (is_write_back) return; /* a whole line came from above: nothing is fetched */
    cache->misses++;
    touch(level + 1, number, false, false);
}

static void on_memory(unsigned cpu, memory_info info, uint64_t address, void *unused) {
    uint64_t size = 1ull << qemu_plugin_mem_size_shift(info);
    bool store = qemu_plugin_mem_is_store(info);
    (void)unused;
    if (cpu != owner) { foreign_accesses++; return; }
    if (store) bytes_written += size; else bytes_read += size;
    for (uint64_t line = address >> LINE_BITS; line <= (address + size - 1) >> LINE_BITS; line++)
        touch(0, line, store, false);
}

static void on_block(unsigned cpu, void *block) {
    if (cpu == owner) ((struct block *)block)->executed++;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *translated) {
    size_t size = qemu_plugin_tb_n_insns(translated);
    struct block *block = calloc(1, sizeof *block);
    (void)id;
    if (!block) abort();
    for (size_t at = 0; at < size; at++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, at);
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
        block->parts[ALL]++;
        block->parts[class_of(word)]++;
        int part = part_of_simd(word);
        if (part != ALL) block->parts[part]++;
        if (levels)
            qemu_plugin_register_vcpu_mem_cb(instruction, on_memory, NO_REGISTERS, READS_AND_WRITES, NULL);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(translated, on_block, NO_REGISTERS, block);
    /* Another thread may report a marker meanwhile: a block is complete before it shows. */
    block->next = __atomic_load_n(&blocks, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&blocks, &block->next, block, false, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE)) { }
}

/* Reports. */
static FILE *out;

static void field(const char *name, uint64_t *value) {
    fprintf(out, ",\"%s\":%" PRIu64, name, *value);
    *value = 0;
}

static void report(uint64_t mark) {
    uint64_t counts[CLASSES] = {0};
    for (struct block *block = __atomic_load_n(&blocks, __ATOMIC_ACQUIRE); block; block = block->next) {
        for (int at = 0; at < CLASSES; at++) counts[at] += block->executed * block->parts[at];
        block->executed = 0;
    }
    fprintf(out, "{\"mark\":%" PRIu64, mark);
    field("foreign_accesses", &foreign_accesses);
    for (int at = 0; at < CLASSES; at++) field(class_names[at], &counts[at]);
    field("bytes_read", &bytes_read);
    field("bytes_written", &bytes_written);
    for (int level = 0; level < levels; level++) {
        char name[32];
        snprintf(name, sizeof name, "l%d_accesses", level + 1);
        field(name, &caches[level].accesses);
        snprintf(name, sizeof name, "l%d_misses", level + 1);
        field(name, &caches[level].misses);
    }
    field("dram_lines_read", &dram_lines_read);
    field("dram_lines_written", &dram_lines_written);
    fprintf(out, "}\n");
    fflush(out);
}

static bool is_counting;
static void start_counting(plugin_id id);

static void on_system_call(plugin_id id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                           uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != MARKER) return;
    owner = cpu;
    report(a1);
    if (!is_counting) qemu_plugin_reset(id, start_counting);
}

/* Until the first marker nothing is counted, so that a guest starts as fast as without the plug-in. The change takes
 * hold a little behind the marker, in an inference that does not count. */
static void start_counting(plugin_id id) {
    is_counting = true;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
}

static bool add_cache(const char *text) {
    unsigned kilobytes, ways;
    if (levels == MOST_LEVELS || sscanf(text, "%ux%u", &kilobytes, &ways) != 2 || !kilobytes || !ways) return false;
    uint64_t lines = (uint64_t)kilobytes * 1024 >> LINE_BITS;
    if (lines % ways) return false;
    caches[levels] = (struct cache){lines / ways, ways, calloc(lines, sizeof(struct line)), 0, 0};
    return caches[levels++].lines != NULL;
}

EXPORT int qemu_plugin_install(plugin_id id, const plugin_info *info, int argc, char **argv) {
    (void)info;
    for (int at = 0; at < argc; at++) {
        if (!strncmp(argv[at], "out=", 4)) out = fopen(argv[at] + 4, "w");
        else if (argv[at][0] == 'l' && argv[at][2] == '=') { if (!add_cache(argv[at] + 3)) return 1; }
        else return 1;
    }
    if (!out) return 1;
    qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
    return 0;
}
