// What is believed of a descriptor, by its number, until that is given up (closing.c): so no call asks the kernel for it again.
//
// A number that was closed unseen, by a system call made directly, is taken for what it was. Most wrong beliefs cost a call;
// what passes for a file is looked at once more before it is read elsewhere.
#ifndef SWIFTLET_DESCRIPTORS_H
#define SWIFTLET_DESCRIPTORS_H

#include "interpose.h"

/// How a call on it can be tried without waiting. What pipes can, and devices in part, is not told by their kind: what is no
/// socket, file or event descriptor is QUICK until the kernel refuses the flag.
typedef enum {
  KIND_UNKNOWN,
  KIND_SOCKET,         // by MSG_DONTWAIT; of connections
  KIND_DATAGRAM,       // the same; of datagrams
  KIND_QUICK,          // by RWF_NOWAIT
  KIND_QUICK_TO_READ,  // reading by RWF_NOWAIT
  KIND_EVENT,          // the same; writing waits only when the counter is full
  KIND_POLLED,         // in no way
  KIND_FILE,           // never waits but for the disk
} descriptor_kind;

enum { DESCRIPTORS = 1 << 16 };

typedef union {
  struct {
    uint8_t kind;
    uint8_t vain_looks;  // in a row
    uint32_t unmarked;   // has no SO_RCVLOWAT, as of this round of `interpose_low_marks`
  };
  uint64_t all;  // 0: nothing is believed
} belief;
extern belief interpose_beliefs[DESCRIPTORS] __attribute__((visibility("hidden")));

/// Looks what it is. UNKNOWN: there is no such descriptor.
descriptor_kind interpose_find_kind(int descriptor);
descriptor_kind interpose_set_kind(int descriptor, descriptor_kind kind);

static inline descriptor_kind interpose_kind(int descriptor) {
  uint8_t kind = KIND_UNKNOWN;
  if (LIKELY((unsigned)descriptor < DESCRIPTORS)) kind = __atomic_load_n(&interpose_beliefs[descriptor].kind, __ATOMIC_RELAXED);
  return LIKELY(kind != KIND_UNKNOWN) ? (descriptor_kind)kind : interpose_find_kind(descriptor);
}
static inline bool is_socket(descriptor_kind kind) { return kind == KIND_SOCKET || kind == KIND_DATAGRAM; }

/// Forgets what is believed of a descriptor: its number is given up. Most of the table is never written.
static inline void interpose_forget(int descriptor) {
  if ((unsigned)descriptor < DESCRIPTORS && __atomic_load_n(&interpose_beliefs[descriptor].all, __ATOMIC_RELAXED))
    __atomic_store_n(&interpose_beliefs[descriptor].all, 0, __ATOMIC_RELAXED);
}
void interpose_forget_all(void);

/// A look at the descriptor before waiting would most likely find nothing: the last ones did.
bool interpose_expects_nothing(int descriptor);
/// A look has found something, or nothing.
void interpose_note_look(int descriptor, bool found);

/// How often somebody has asked for SO_RCVLOWAT.
extern uint32_t interpose_low_marks __attribute__((visibility("hidden")));

#endif
