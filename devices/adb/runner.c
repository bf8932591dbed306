/* runner NAME MODEL THREADS: runs a .tflite file in LiteRT's C library and answers over its standard streams.
 *
 * The messages are those of viewfinder's Python worker (runtime/engines/_worker.py): 4 bytes length, little endian, and a
 * JSON header, then the bytes of the arrays that the header lists, in order. Standard output is the pipe; what the
 * library prints goes to standard error. With the NAME ``operators`` the library's profiler is on. Linked against
 * libLiteRt.so of the ai-edge-litert wheel, which has no headers: the declarations below are those of litert/c of version
 * 2.3.0, as far as they are used here.
 */
#define _GNU_SOURCE
#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef void *Handle;
typedef int Status;
typedef size_t Index;
typedef struct {
  int type;
  uint32_t rank; /* in the lowest 7 bits */
  int32_t dims[8];
  uint32_t strides[8];
} Ranked;

extern Status LiteRtCreateEnvironment(int, const void *, Handle *), LiteRtCreateOptions(Handle *);
extern Status LiteRtSetOptionsHardwareAccelerators(Handle, int), LiteRtAddOpaqueOptions(Handle, Handle);
extern Status LiteRtCreateOpaqueOptions(const char *, void *, void (*)(void *), Handle *);
extern Status LiteRtCreateModelFromFile(Handle, const char *, Handle *);
extern Status LiteRtCreateCompiledModel(Handle, Handle, Handle, Handle *);
extern Status LiteRtGetModelSignature(Handle, Index, Handle *);
extern Status LiteRtGetNumSignatureInputs(Handle, Index *), LiteRtGetNumSignatureOutputs(Handle, Index *);
extern Status LiteRtGetSignatureInputName(Handle, Index, const char **);
extern Status LiteRtGetSignatureOutputName(Handle, Index, const char **);
extern Status LiteRtGetSignatureInputTensorByIndex(Handle, Index, Handle *);
extern Status LiteRtGetSignatureOutputTensorByIndex(Handle, Index, Handle *);
extern Status LiteRtGetRankedTensorType(Handle, Ranked *);
extern Status LiteRtGetCompiledModelInputBufferRequirements(Handle, Index, Index, Handle *);
extern Status LiteRtGetCompiledModelOutputBufferRequirements(Handle, Index, Index, Handle *);
extern Status LiteRtCreateManagedTensorBufferFromRequirements(Handle, const Ranked *, Handle, Handle *);
extern Status LiteRtLockTensorBuffer(Handle, void **, int), LiteRtUnlockTensorBuffer(Handle);
extern Status LiteRtRunCompiledModel(Handle, Index, size_t, Handle *, size_t, Handle *);
extern Status LiteRtCompiledModelGetProfiler(Handle, Handle *), LiteRtResetProfiler(Handle);
extern Status LiteRtStartProfiler(Handle), LiteRtStopProfiler(Handle), LiteRtGetNumProfilerEvents(Handle, int *);

typedef struct {
  const char *tag;
  int type; /* 2 is an operator of the file in LiteRT's own kernels, 8 one of a delegate's */
  uint64_t start_us, elapsed_us;
  int64_t memory[6];
  uint64_t index, more;
  int source;
} Event;
extern Status LiteRtGetProfilerEvents(Handle, int, Event *);

enum { OWN = 2, INSIDE = 8 };
enum { CPU = 1, READ = 0, WRITE = 1, MOST_TENSORS = 64, MARKER = 0x7E57, WINDOWS = 60 };
static const double EDGE_S = 30; /* of a sustained run, as WINDOWS: the worker's */
static const uint32_t LONGEST_HEADER = 1u << 24;
static const size_t MOST_SAMPLES = 500000;

typedef struct {
  const char *name;
  Ranked kind;
  size_t bytes;
  Handle buffer;
  char *copy;
} Tensor;

static FILE *pipe_out;
static Handle environment, compiled, profiler;
static Tensor inputs[MOST_TENSORS], outputs[MOST_TENSORS];
static Handle in_buffers[MOST_TENSORS], out_buffers[MOST_TENSORS];
static Index n_inputs, n_outputs;

/* ---- JSON, as far as the messages need it ---- */

typedef struct {
  char *text;
  size_t length, room;
} Text;

static void add(Text *to, const char *what) {
  size_t more = strlen(what);
  if (to->length + more + 1 > to->room) {
    to->room = 2 * (to->room + more) + 64;
    if (!(to->text = realloc(to->text, to->room))) abort();
  }
  memcpy(to->text + to->length, what, more + 1);
  to->length += more;
}

static void add_string(Text *to, const char *what) {
  char one[8];
  add(to, "\"");
  for (; *what; what++) {
    unsigned char c = (unsigned char)*what;
    if (c < 0x20 || c == '"' || c == '\\') snprintf(one, sizeof one, "\\u%04x", c);
    else snprintf(one, sizeof one, "%c", c);
    add(to, one);
  }
  add(to, "\"");
}

static void add_number(Text *to, const char *form, double value) {
  char one[64];
  snprintf(one, sizeof one, form, value);
  add(to, one);
}

/* The number behind a key, or `otherwise`. */
static double number(const char *header, const char *key, double otherwise) {
  const char *found = strstr(header, key);
  if (!found || !(found = strchr(found, ':'))) return otherwise;
  return strtod(found + 1, NULL);
}

/* Reads a string behind its first quote into `to`; returns what follows its last one, or NULL. */
static const char *read_string(const char *from, char *to, size_t room) {
  size_t n = 0;
  for (; *from && *from != '"'; from++) {
    unsigned code = (unsigned char)*from;
    if (*from == '\\') {
      from++;
      if (*from == 'u') {
        char digits[5] = {0};
        for (int i = 0; i < 4 && from[1 + i]; i++) digits[i] = from[1 + i];
        if (strlen(digits) < 4) return NULL;
        code = (unsigned)strtoul(digits, NULL, 16);
        from += 4;
        if (code > 0x7F) { /* as UTF-8 */
          if (n + 3 >= room) return NULL;
          if (code > 0x7FF) {
            to[n++] = (char)(0xE0 | code >> 12);
            to[n++] = (char)(0x80 | (code >> 6 & 0x3F));
          } else to[n++] = (char)(0xC0 | code >> 6);
          to[n++] = (char)(0x80 | (code & 0x3F));
          continue;
        }
      } else code = *from == 'n' ? '\n' : *from == 't' ? '\t' : (unsigned char)*from;
      if (!*from) return NULL;
    }
    if (n + 1 >= room) return NULL;
    to[n++] = (char)code;
  }
  to[n] = 0;
  return *from ? from + 1 : NULL;
}

/* ---- messages ---- */

static void send(const char *header, bool with_outputs) {
  uint32_t length = (uint32_t)strlen(header);
  fwrite(&length, 4, 1, pipe_out); /* both sides are little endian: AArch64 Linux and Android are */
  fwrite(header, 1, length, pipe_out);
  for (Index i = 0; with_outputs && i < n_outputs; i++) fwrite(outputs[i].copy, 1, outputs[i].bytes, pipe_out);
  if (fflush(pipe_out)) exit(1); /* nobody listens any more */
}

static void fail(const char *what, int status) {
  Text header = {0};
  char text[160];
  snprintf(text, sizeof text, status ? "%s: LiteRT's status %d" : "%s", what, status);
  add(&header, "{\"error\": ");
  add_string(&header, text);
  add(&header, ", \"arrays\": {}}");
  send(header.text, false);
  exit(0);
}

#define CHECK(name, ...)                                     \
  do {                                                       \
    Status status_ = LiteRt##name(__VA_ARGS__);              \
    if (status_) fail(#name, status_);                       \
  } while (0)

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + (double)t.tv_nsec / 1e6;
}

static double memory_bytes(const char *key) {
  char line[256];
  double found = 0;
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file))
    if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':') found = 1024 * strtod(line + strlen(key) + 1, NULL);
  if (file) fclose(file);
  return found;
}

/* ---- the model ---- */

static const char *type_name(int type, size_t *size) {
  static const struct { int type; size_t size; const char *name; } known[] = {
    {1, 4, "<f4"}, {2, 4, "<i4"}, {3, 1, "|u1"}, {4, 8, "<i8"}, {6, 1, "|b1"}, {7, 2, "<i2"},
    {9, 1, "|i1"}, {10, 2, "<f2"}, {11, 8, "<f8"}, {16, 4, "<u4"}, {17, 2, "<u2"},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].type == type) return *size = known[i].size, known[i].name;
  return NULL;
}

static void describe(Tensor *one, Handle tensor) {
  size_t size = 0;
  CHECK(GetRankedTensorType, tensor, &one->kind);
  if (!type_name(one->kind.type, &size)) fail("a tensor has a type that is not supported", 0);
  one->bytes = size;
  for (uint32_t i = 0; i < (one->kind.rank & 0x7F) && i < 8; i++) {
    if (one->kind.dims[i] < 0) fail("a tensor has no fixed shape", 0);
    one->bytes *= (size_t)one->kind.dims[i];
  }
  if (!(one->copy = malloc(one->bytes ? one->bytes : 1))) fail("memory ran out", 0);
}

static void load(const char *path, const char *threads, bool is_profiled) {
  Handle options, opaque, model, signature, tensor, needs;
  char *text = NULL;
  CHECK(CreateEnvironment, 0, NULL, &environment);
  CHECK(CreateOptions, &options);
  CHECK(SetOptionsHardwareAccelerators, options, CPU);
  if (asprintf(&text, "num_threads = %d\n", atoi(threads)) < 0) abort();
  CHECK(CreateOpaqueOptions, "xnnpack", text, free, &opaque);
  CHECK(AddOpaqueOptions, options, opaque);
  if (is_profiled) { /* it slows every run down, so timings are taken without */
    CHECK(CreateOpaqueOptions, "runtime_options_string", strdup("enable_profiling = true\n"), free, &opaque);
    CHECK(AddOpaqueOptions, options, opaque);
  }
  CHECK(CreateModelFromFile, environment, path, &model);
  CHECK(CreateCompiledModel, environment, model, options, &compiled);
  if (is_profiled) CHECK(CompiledModelGetProfiler, compiled, &profiler);
  CHECK(GetModelSignature, model, 0, &signature);
  CHECK(GetNumSignatureInputs, signature, &n_inputs);
  CHECK(GetNumSignatureOutputs, signature, &n_outputs);
  if (n_inputs > MOST_TENSORS || n_outputs > MOST_TENSORS) fail("too many tensors", 0);
  for (Index i = 0; i < n_inputs; i++) {
    CHECK(GetSignatureInputName, signature, i, &inputs[i].name);
    CHECK(GetSignatureInputTensorByIndex, signature, i, &tensor);
    describe(&inputs[i], tensor);
    CHECK(GetCompiledModelInputBufferRequirements, compiled, 0, i, &needs);
    CHECK(CreateManagedTensorBufferFromRequirements, environment, &inputs[i].kind, needs, &inputs[i].buffer);
    in_buffers[i] = inputs[i].buffer;
  }
  for (Index i = 0; i < n_outputs; i++) {
    CHECK(GetSignatureOutputName, signature, i, &outputs[i].name);
    CHECK(GetSignatureOutputTensorByIndex, signature, i, &tensor);
    describe(&outputs[i], tensor);
    CHECK(GetCompiledModelOutputBufferRequirements, compiled, 0, i, &needs);
    CHECK(CreateManagedTensorBufferFromRequirements, environment, &outputs[i].kind, needs, &outputs[i].buffer);
    out_buffers[i] = outputs[i].buffer;
  }
}

static void add_shapes(Text *to, const Tensor *tensors, Index count, bool with_type) {
  size_t size;
  add(to, "{");
  for (Index i = 0; i < count; i++) {
    add(to, i ? ", " : "");
    add_string(to, tensors[i].name);
    add(to, ": ");
    if (with_type) {
      add(to, "[");
      add_string(to, type_name(tensors[i].kind.type, &size));
      add(to, ", ");
    }
    add(to, "[");
    for (uint32_t k = 0; k < (tensors[i].kind.rank & 0x7F); k++) add_number(to, k ? ", %.0f" : "%.0f", tensors[i].kind.dims[k]);
    add(to, with_type ? "]]" : "]");
  }
  add(to, "}");
}

static void set(Tensor *one, FILE *from) {
  void *place;
  if (fread(one->copy, 1, one->bytes, from) != one->bytes) exit(0); /* the other side has gone */
  CHECK(LockTensorBuffer, one->buffer, &place, WRITE);
  memcpy(place, one->copy, one->bytes);
  CHECK(UnlockTensorBuffer, one->buffer);
}

/* Computes once and copies the outputs out; returns the milliseconds of both. */
static double run(void) {
  double start = now_ms();
  CHECK(RunCompiledModel, compiled, 0, n_inputs, in_buffers, n_outputs, out_buffers);
  for (Index i = 0; i < n_outputs; i++) {
    void *place;
    CHECK(LockTensorBuffer, outputs[i].buffer, &place, READ);
    memcpy(outputs[i].copy, place, outputs[i].bytes);
    CHECK(UnlockTensorBuffer, outputs[i].buffer);
  }
  return now_ms() - start;
}

static size_t repeat(double runs, double seconds, double most_s, double *samples) {
  double start = now_ms(), elapsed = 0;
  size_t n = 0;
  while (n < MOST_SAMPLES && (!n || elapsed < 1e3 * most_s) && (n < runs || elapsed < 1e3 * seconds)) {
    double one = run();
    if (samples) samples[n] = one;
    n++;
    elapsed = now_ms() - start;
  }
  return n;
}

/* ---- runs without a pause ---- */

typedef struct {
  double *at;
  size_t n, room;
} Samples;

static void keep(Samples *to, double one) {
  if (to->n == to->room) {
    to->room = 2 * to->room + 256;
    if (!(to->at = realloc(to->at, to->room * sizeof *to->at))) fail("memory ran out", 0);
  }
  to->at[to->n++] = one;
}

static int by_size(const void *one, const void *other) {
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

/* The share of sorted samples, between two of them as numpy does. */
static double percentile(const Samples *of, double share) {
  double place = share * (double)(of->n - 1);
  size_t low = (size_t)place, high = low + 1 < of->n ? low + 1 : low;
  return of->at[low] + (place - (double)low) * (of->at[high] - of->at[low]);
}

static void add_middle(Text *to, Samples *of) {
  qsort(of->at, of->n, sizeof *of->at, by_size);
  add_number(to, "\"runs\": %.0f", (double)of->n);
  add_number(to, ", \"p50_ms\": %.4f", percentile(of, 0.5));
  add_number(to, ", \"p90_ms\": %.4f", percentile(of, 0.9));
}

/* The highest number in the files of a pattern, under a key; nothing if Android shows none of them. */
static void add_highest(Text *to, const char *key, const char *pattern) {
  glob_t files = {0};
  double highest = 0, one;
  bool any = false;
  if (!glob(pattern, 0, NULL, &files))
    for (size_t i = 0; i < files.gl_pathc; i++) {
      FILE *file = fopen(files.gl_pathv[i], "r");
      if (file && fscanf(file, "%lf", &one) == 1) {
        if (!any || one > highest) highest = one;
        any = true;
      }
      if (file) fclose(file);
    }
  globfree(&files);
  if (any) {
    add(to, key);
    add_number(to, "%.0f", highest);
  }
}

static void add_window(Text *to, double from_s, double to_s, Samples *of) {
  add_number(to, "{\"from_s\": %.6f", from_s);
  add_number(to, ", \"to_s\": %.6f, ", to_s);
  add_middle(to, of);
  add_number(to, ", \"memory_bytes\": %.0f", memory_bytes("VmRSS"));
  add_highest(to, ", \"khz\": ", "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq");
  add_highest(to, ", \"millidegrees\": ", "/sys/class/thermal/thermal_zone*/temp");
  add(to, "}");
}

/* Runs for so long; says how long runs took in windows, at first and at last, as the worker does. */
static void add_sustained(Text *to, double seconds) {
  Samples first = {0}, last = {0}, window = {0};
  double edge = seconds / 2 < EDGE_S ? seconds / 2 : EDGE_S, start = now_ms(), opened = 0;
  add_number(to, ", \"sustained\": {\"edge_s\": %.6f, \"windows\": [", edge);
  for (bool any = false; !any || opened < seconds;) {
    double one = run(), now = (now_ms() - start) / 1e3, end = opened + seconds / WINDOWS;
    keep(&window, one);
    if (now <= edge || !first.n) keep(&first, one);
    if (now <= seconds - edge) last.n = 0;
    keep(&last, one);
    if (now < (end < seconds ? end : seconds)) continue;
    add(to, any ? ", " : "");
    add_window(to, opened, now, &window);
    any = true, opened = now, window.n = 0;
  }
  add(to, "], \"first\": {");
  add_middle(to, &first);
  add(to, "}, \"last\": {");
  add_middle(to, &last);
  add(to, "}}");
  free(first.at), free(last.at), free(window.at);
}

static void add_warm(Text *to, const char *ask, double most_s) {
  double *samples = malloc(MOST_SAMPLES * sizeof *samples);
  if (!samples) fail("memory ran out", 0);
  repeat(number(ask, "\"warm_up_runs\"", 5), number(ask, "\"warm_up_s\"", 0.2), most_s, NULL);
  size_t n = repeat(number(ask, "\"runs\"", 50), number(ask, "\"seconds\"", 1), most_s, samples);
  add(to, ", \"warm_ms\": [");
  for (size_t i = 0; i < n; i++) add_number(to, i ? ", %.4f" : "%.4f", samples[i]);
  add(to, "]");
  free(samples);
}

static void add_timings(Text *to, const char *ask, const double *loaded) {
  double sustain_s = number(ask, "\"sustain_s\"", 0), first = run();
  add_number(to, "\"timed\": {\"load_ms\": %.4f", loaded[0]);
  add_number(to, ", \"memory_before_bytes\": %.0f", loaded[1]);
  add_number(to, ", \"memory_loaded_bytes\": %.0f", loaded[2]);
  add_number(to, ", \"first_ms\": %.4f", first);
  if (sustain_s > 0) add_sustained(to, sustain_s);
  else add_warm(to, ask, number(ask, "\"most_s\"", 30));
  add_number(to, ", \"memory_peak_bytes\": %.0f}, ", memory_bytes("VmHWM"));
}

/* Runs so often; says of each run's operators name, type, index and microseconds. */
static void add_operators(Text *to, double runs) {
  if (!profiler) fail("the runner was not started to profile", 0);
  add(to, "\"operators\": [");
  for (double at = 0; at < runs; at++) {
    int n = 0;
    CHECK(ResetProfiler, profiler);
    CHECK(StartProfiler, profiler);
    run();
    CHECK(StopProfiler, profiler);
    CHECK(GetNumProfilerEvents, profiler, &n);
    Event *events = calloc(n > 0 ? (size_t)n : 1, sizeof *events);
    if (!events) fail("memory ran out", 0);
    if (n > 0) CHECK(GetProfilerEvents, profiler, n, events);
    add(to, at ? ", [" : "[");
    for (int i = 0, any = 0; i < n; i++) {
      if (events[i].type != OWN && events[i].type != INSIDE) continue;
      add(to, any++ ? ", [" : "[");
      add_string(to, events[i].tag ? events[i].tag : "");
      add_number(to, ", %.0f", events[i].type);
      add_number(to, ", %.0f", (double)events[i].index);
      add_number(to, ", %.0f]", (double)events[i].elapsed_us);
    }
    add(to, "]");
    free(events);
  }
  add(to, "], ");
}

static void answer(char *header, FILE *from, const double *loaded) {
  static char name[4096];
  Text made = {0};
  char *arrays = strstr(header, "\"arrays\"");
  const char *at = arrays ? strchr(arrays, '{') : NULL;
  if (!at) fail("a message without arrays", 0);
  *arrays = 0; /* in front of it stands what is asked for */
  while ((at = strchr(at, '"'))) {
    Tensor *one = NULL;
    if (!(at = read_string(at + 1, name, sizeof name)) || !(at = strchr(at, '['))) fail("a message that cannot be read", 0);
    for (Index i = 0; i < n_inputs; i++)
      if (!strcmp(inputs[i].name, name)) one = &inputs[i];
    if (!one) fail("an input that the model does not have", 0);
    set(one, from);
    if (!(at = strstr(at, "]]"))) fail("a message that cannot be read", 0); /* behind [type, [shape]] */
  }
  add(&made, "{");
  if (strstr(header, "\"timed\"")) add_timings(&made, header, loaded);
  else if (strstr(header, "\"operators\"")) add_operators(&made, number(header, "\"operators\"", 1));
  else {
    double times = number(header, "\"marked\"", 0);
    if (times < 1) run();
    for (double i = 0; i < times; i++) {
      syscall(MARKER, (long)(2 * i));
      run();
      syscall(MARKER, (long)(2 * i + 1));
    }
  }
  add(&made, "\"arrays\": ");
  add_shapes(&made, outputs, n_outputs, true);
  add(&made, "}");
  send(made.text, true);
  free(made.text);
}

int main(int count, char **words) {
  if (count == 2 && !strcmp(words[1], "--version")) return puts(VERSION) < 0;
  if (count < 4) return fputs("runner NAME MODEL THREADS\n", stderr), 2;
  pipe_out = fdopen(dup(1), "wb");
  dup2(2, 1);
  double loaded[3] = {0, memory_bytes("VmRSS"), 0}, start = now_ms();
  load(words[2], words[3], !strcmp(words[1], "operators"));
  loaded[0] = now_ms() - start;
  loaded[2] = memory_bytes("VmRSS");
  Text ready = {0};
  add(&ready, "{\"version\": ");
  add_string(&ready, VERSION);
  add(&ready, ", \"inputs\": ");
  add_shapes(&ready, inputs, n_inputs, false);
  add(&ready, ", \"outputs\": ");
  add_shapes(&ready, outputs, n_outputs, false);
  add(&ready, ", \"arrays\": {}}");
  send(ready.text, false);
  uint32_t length;
  while (fread(&length, 4, 1, stdin) == 1) {
    char *header = length > LONGEST_HEADER ? NULL : malloc((size_t)length + 1);
    if (!header || fread(header, 1, length, stdin) != length) return 1;
    header[length] = 0;
    answer(header, stdin, loaded);
    free(header);
  }
  return 0;
}
