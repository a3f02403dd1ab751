// Unwinding by the call frame information of DWARF 4 (6.4) as .eh_frame holds it, on x86-64; of the registers only those
// that lead from frame to frame. Elsewhere by the frame pointers.
#define _GNU_SOURCE
#include "swiftlet_unwind.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool load(const swiftlet_stack_copy *copy, uintptr_t address, uintptr_t *word) {
  uintptr_t low = (uintptr_t)copy->address;
  if (address < low || copy->size < sizeof *word || address - low > copy->size - sizeof *word || address % 8) return false;
  memcpy(word, copy->bytes + (address - low), sizeof *word);
  return true;
}

#if defined(__x86_64__)

// libgcc's, as backtrace(3) uses it.
struct dwarf_eh_bases {
  void *text, *data, *function;
};
extern const void *_Unwind_Find_FDE(void *program_counter, struct dwarf_eh_bases *bases) __attribute__((weak));

enum { NO_OFFSET = INT32_MIN };

// How to leave a function from one of its instructions.
typedef struct rule {
  uintptr_t address;         // 0: free
  uintptr_t function;        // where it begins
  int32_t frame_offset;      // the frame's end is the base register and this
  int32_t pointer_offset;    // where the caller's frame pointer lies from there; NO_OFFSET: still in the register
  uint8_t base;              // 7: stack pointer, 6: frame pointer, 0: not told
  bool ends;                 // there is no caller
  bool is_known;             // the function is described at all
} rule;

static struct {
  rule *rules;
  size_t count, mask;
} cache;

typedef struct reader {
  const uint8_t *at, *end;
} reader;

static uint8_t take_byte(reader *r) { return r->at < r->end ? *r->at++ : 0; }

static uint64_t take_unsigned(reader *r) {
  uint64_t value = 0;
  for (unsigned shift = 0; r->at < r->end; shift += 7) {
    uint8_t byte = *r->at++;
    if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) break;
  }
  return value;
}

static int64_t take_signed(reader *r) {
  uint64_t value = 0;
  unsigned shift = 0;
  uint8_t byte = 0;
  while (r->at < r->end) {
    byte = *r->at++;
    if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
    shift += 7;
    if (!(byte & 0x80)) break;
  }
  if (shift < 64 && (byte & 0x40)) value |= ~UINT64_C(0) << shift;
  return (int64_t)value;
}

static uint64_t take_fixed(reader *r, unsigned size) {
  uint64_t value = 0;
  if ((size_t)(r->end - r->at) < size) {
    r->at = r->end;
    return 0;
  }
  memcpy(&value, r->at, size);
  r->at += size;
  return value;
}

static void skip_encoded(reader *r, uint8_t encoding) {
  switch (encoding & 0x0f) {
    case 0x01: case 0x09: take_unsigned(r); break;
    case 0x02: case 0x0a: take_fixed(r, 2); break;
    case 0x03: case 0x0b: take_fixed(r, 4); break;
    default: take_fixed(r, 8); break;
  }
}

typedef struct columns {
  uint64_t base;
  int64_t frame_offset, pointer_offset;
  bool ends;
} columns;

typedef struct program {
  uint64_t code_unit;
  int64_t data_unit;
  uint64_t return_register;
  uintptr_t location, wanted;
  columns now, initial, kept[8];
  int depth;
} program;

static void saved_at(program *p, uint64_t number, int64_t offset) {
  if (number == 6) p->now.pointer_offset = offset;
  if (number == p->return_register) p->now.ends = false;
}

static void restore(program *p, uint64_t number) {
  if (number == 6) p->now.pointer_offset = p->initial.pointer_offset;
  if (number == p->return_register) p->now.ends = p->initial.ends;
}

static void run(program *p, reader r) {
  while (r.at < r.end && p->location <= p->wanted) {
    uint8_t code = take_byte(&r);
    uint64_t number = code & 0x3f;
    uintptr_t next = p->location;
    switch (code & 0xc0) {
      case 0x40: next += number * p->code_unit; break;
      case 0x80: saved_at(p, number, (int64_t)take_unsigned(&r) * p->data_unit); continue;
      case 0xc0: restore(p, number); continue;
      default: switch (code) {
        case 0x00: continue;
        case 0x01: next = (uintptr_t)take_fixed(&r, 8); break;
        case 0x02: next += take_fixed(&r, 1) * p->code_unit; break;
        case 0x03: next += take_fixed(&r, 2) * p->code_unit; break;
        case 0x04: next += take_fixed(&r, 4) * p->code_unit; break;
        case 0x05: number = take_unsigned(&r); saved_at(p, number, (int64_t)take_unsigned(&r) * p->data_unit); continue;
        case 0x06: restore(p, take_unsigned(&r)); continue;
        case 0x07: if (take_unsigned(&r) == p->return_register) p->now.ends = true; continue;
        case 0x08: take_unsigned(&r); continue;
        case 0x09: take_unsigned(&r); take_unsigned(&r); continue;
        case 0x0a: if (p->depth < 8) p->kept[p->depth] = p->now; p->depth++; continue;
        case 0x0b: if (p->depth > 0 && --p->depth < 8) p->now = p->kept[p->depth]; continue;
        case 0x0c: p->now.base = take_unsigned(&r); p->now.frame_offset = (int64_t)take_unsigned(&r); continue;
        case 0x0d: p->now.base = take_unsigned(&r); continue;
        case 0x0e: p->now.frame_offset = (int64_t)take_unsigned(&r); continue;
        case 0x0f: number = take_unsigned(&r); r.at += number; p->now.base = 0; continue;
        case 0x10: case 0x16:
          if (take_unsigned(&r) == 6) p->now.pointer_offset = NO_OFFSET;
          number = take_unsigned(&r);
          r.at += number;
          continue;
        case 0x11: number = take_unsigned(&r); saved_at(p, number, take_signed(&r) * p->data_unit); continue;
        case 0x12: p->now.base = take_unsigned(&r); p->now.frame_offset = take_signed(&r) * p->data_unit; continue;
        case 0x13: p->now.frame_offset = take_signed(&r) * p->data_unit; continue;
        case 0x14: case 0x15: take_unsigned(&r); take_unsigned(&r); continue;
        case 0x2e: take_unsigned(&r); continue;
        default: p->now.base = 0; return;  // nothing that is known here
      }
    }
    if (next > p->wanted) return;
    p->location = next;
  }
}

static rule find_rule(uintptr_t address) {
  rule found = {.address = address};
  struct dwarf_eh_bases bases = {0};
  const uint8_t *entry = _Unwind_Find_FDE ? _Unwind_Find_FDE((void *)address, &bases) : NULL;
  if (!entry) return found;
  uint32_t length, distance;
  memcpy(&length, entry, 4);
  memcpy(&distance, entry + 4, 4);
  if (length == 0 || length == UINT32_MAX) return found;
  const uint8_t *common = entry + 4 - distance;
  uint32_t common_length;
  memcpy(&common_length, common, 4);
  reader head = {common + 8, common + 4 + common_length};
  if (take_byte(&head) == 0) return found;
  const char *augmentation = (const char *)head.at;
  head.at += strlen(augmentation) + 1;
  program p = {.location = (uintptr_t)bases.function, .wanted = address};
  p.code_unit = take_unsigned(&head);
  p.data_unit = take_signed(&head);
  p.return_register = take_unsigned(&head);
  p.now.pointer_offset = NO_OFFSET;
  uint8_t encoding = 0;
  if (*augmentation == 'z') {
    uint64_t size = take_unsigned(&head);
    const uint8_t *instructions = head.at + size;
    for (const char *letter = augmentation + 1; *letter; letter++) {
      if (*letter == 'R') encoding = take_byte(&head);
      else if (*letter == 'L') take_byte(&head);
      else if (*letter == 'P') skip_encoded(&head, take_byte(&head));
      else if (*letter != 'S' && *letter != 'B') break;
    }
    head.at = instructions;
  }
  run(&p, head);
  p.initial = p.now;
  p.depth = 0;
  reader body = {entry + 8, entry + 4 + length};
  skip_encoded(&body, encoding);
  skip_encoded(&body, encoding & 0x0f);
  if (*augmentation == 'z') {
    uint64_t size = take_unsigned(&body);
    body.at += size;
  }
  run(&p, body);
  found.is_known = true;
  found.function = (uintptr_t)bases.function;
  found.base = p.now.base == 6 || p.now.base == 7 ? (uint8_t)p.now.base : 0;
  found.frame_offset = (int32_t)p.now.frame_offset;
  found.pointer_offset = (int32_t)p.now.pointer_offset;
  found.ends = p.now.ends;
  return found;
}

static const rule *rule_at(uintptr_t address) {
  if (cache.count * 2 >= cache.mask) {
    size_t size = cache.mask ? (cache.mask + 1) * 2 : 1024;
    rule *bigger = calloc(size, sizeof *bigger);
    if (!bigger) abort();
    for (size_t i = 0; cache.rules && i <= cache.mask; i++) {
      if (!cache.rules[i].address) continue;
      size_t place = cache.rules[i].address * UINT64_C(0x9e3779b97f4a7c15) >> 20 & (size - 1);
      while (bigger[place].address) place = (place + 1) & (size - 1);
      bigger[place] = cache.rules[i];
    }
    free(cache.rules);
    cache.rules = bigger;
    cache.mask = size - 1;
  }
  size_t place = address * UINT64_C(0x9e3779b97f4a7c15) >> 20 & cache.mask;
  while (cache.rules[place].address) {
    if (cache.rules[place].address == address) return &cache.rules[place];
    place = (place + 1) & cache.mask;
  }
  cache.rules[place] = find_rule(address);
  cache.count++;
  return &cache.rules[place];
}

// Where the frame pointer of a function points that has set it up and stands in a call: from the stack pointer there, by how
// its code begins. 0 if it does not begin as compilers let it.
static uintptr_t frame_pointer_by_code(uintptr_t function, uintptr_t stack_pointer) {
  const uint8_t *code = (const uint8_t *)function;
  if (memcmp(code, "\xf3\x0f\x1e\xfa", 4) == 0) code += 4;
  if (memcmp(code, "\x55\x48\x89\xe5", 4) != 0) return 0;
  code += 4;
  uintptr_t size = 0;
  for (;; size += 8) {
    if (code[0] == 0x41 && code[1] >= 0x50 && code[1] <= 0x57) code += 2;
    else if (code[0] >= 0x50 && code[0] <= 0x57) code++;
    else break;
  }
  if (code[0] == 0x48 && code[1] == 0x83 && code[2] == 0xec) size += code[3];
  else if (code[0] == 0x48 && code[1] == 0x81 && code[2] == 0xec) {
    uint32_t large;
    memcpy(&large, code + 3, 4);
    size += large;
  }
  return stack_pointer + size;
}

static bool is_frame(const swiftlet_stack_copy *copy, uintptr_t frame) {
  uintptr_t outer, caller;
  if (!load(copy, frame, &outer) || !load(copy, frame + 8, &caller)) return false;
  if (outer != 0 && outer <= frame) return false;
  return caller != 0 && rule_at(caller - 1)->is_known;
}

// The frame pointer of a function of which only the stack pointer is known.
static uintptr_t find_frame_pointer(const swiftlet_stack_copy *copy, const rule *at, uintptr_t stack_pointer) {
  uintptr_t frame = frame_pointer_by_code(at->function, stack_pointer);
  if (frame && is_frame(copy, frame)) return frame;
  // It makes room as it goes: the first thing on its stack that looks as a frame does, and leads to another.
  for (frame = stack_pointer; frame < stack_pointer + (16 << 10); frame += 8) {
    uintptr_t outer;
    if (!is_frame(copy, frame) || !load(copy, frame, &outer)) continue;
    if (outer == 0 || is_frame(copy, outer)) return frame;
  }
  return 0;
}

static int unwind(const swiftlet_stack_copy *copy, const void *program_counter, const void *stack_pointer,
                  const void *frame_pointer, void **frames, int capacity) {
  uintptr_t here = (uintptr_t)program_counter, stack = (uintptr_t)stack_pointer, pointer = (uintptr_t)frame_pointer;
  bool has_pointer = frame_pointer != NULL;
  int count = 0;
  while (count < capacity && here) {
    frames[count++] = (void *)here;
    // A call is the last instruction of its function sometimes; where a parked stack goes on is no call.
    rule leave = *rule_at(count > 1 ? here - 1 : here);
    if (leave.ends) break;
    uintptr_t end = 0;
    if (leave.is_known && leave.base == 7) {
      end = stack + (uintptr_t)(intptr_t)leave.frame_offset;
    } else {
      if (!has_pointer && leave.is_known) {
        pointer = find_frame_pointer(copy, &leave, stack);
        has_pointer = pointer != 0;
      }
      if (!has_pointer) break;
      if (leave.is_known && leave.base == 6) {
        end = pointer + (uintptr_t)(intptr_t)leave.frame_offset;
      } else {
        end = pointer + 16;
        leave.pointer_offset = -16;
      }
    }
    if (end <= stack || !load(copy, end - 8, &here)) break;
    if (leave.pointer_offset != NO_OFFSET) {
      has_pointer = load(copy, end + (uintptr_t)(intptr_t)leave.pointer_offset, &pointer);
      // The outermost frame of a coroutine's stack has a pointer of zero; it is not needed any more.
    }
    stack = end;
  }
  return count;
}

int swiftlet_unwind(const swiftlet_stack_copy *copy, const void *program_counter, const void *stack_pointer,
                    const void *frame_pointer, void **frames, int capacity) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  int count = unwind(copy, program_counter, stack_pointer, frame_pointer, frames, capacity);
  pthread_mutex_unlock(&lock);
  return count;
}

#else

int swiftlet_unwind(const swiftlet_stack_copy *copy, const void *program_counter, const void *stack_pointer,
                    const void *frame_pointer, void **frames, int capacity) {
  uintptr_t here = (uintptr_t)program_counter, pointer = (uintptr_t)frame_pointer;
  int count = 0;
  (void)stack_pointer;
  while (count < capacity && here) {
    frames[count++] = (void *)here;
    uintptr_t outer;
    if (!load(copy, pointer + 8, &here) || !load(copy, pointer, &outer)) break;
    if (outer && outer <= pointer) break;
    pointer = outer;
  }
  return count;
}

#endif

int swiftlet_unwind_context(const swiftlet_stack_copy *copy, const swiftlet_context *context, void **frames, int capacity) {
#if defined(__x86_64__)
  return swiftlet_unwind(copy, context->resume_address, context->stack_pointer, context->frame_pointer, frames, capacity);
#else
  uintptr_t pointer, address;  // the layout of swiftlet_switch_stacks
  uintptr_t saved = (uintptr_t)context->stack_pointer;
  if (!load(copy, saved + 80, &pointer) || !load(copy, saved + 88, &address)) return 0;
  return swiftlet_unwind(copy, (const void *)address, (const void *)saved, (const void *)pointer, frames, capacity);
#endif
}
