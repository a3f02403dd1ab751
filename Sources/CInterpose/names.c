// getaddrinfo and its kin. libc's resolver asks servers inside itself, where nothing can be interposed: the whole call goes to
// another thread. A call that is cancelled leaves its copy of the arguments to that thread.
#include "interpose.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NAMES SWIFTLET_FAMILY_NAMES

// MARK: getaddrinfo

typedef struct {
  atomic_int owners;
  char *node, *service;
  bool has_hints;
  struct addrinfo hints, *found;
  int result, reason;
} lookup;

COVER(NAMES, int, getaddrinfo, const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found);

static void leave_lookup(lookup *lookup) {
  if (atomic_fetch_sub(&lookup->owners, 1) > 1) return;
  if (lookup->found) freeaddrinfo(lookup->found);
  free(lookup->node);
  free(lookup->service);
  free(lookup);
}

static void look_up(void *argument) {
  lookup *lookup = argument;
  lookup->result = NEXT(getaddrinfo)(
      lookup->node, lookup->service, lookup->has_hints ? &lookup->hints : NULL, &lookup->found);
  lookup->reason = errno;
  if (lookup->result != 0) lookup->found = NULL;
  leave_lookup(lookup);
}

/// No file has to be read to understand it.
static bool is_number(const char *service) {
  return !service || strspn(service, "0123456789") == strlen(service);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  const void *stack = interpose_gate(NAMES);
  // Numbers need nobody's answer.
  if (!stack || (hints && (hints->ai_flags & AI_NUMERICHOST) && (!service || (hints->ai_flags & AI_NUMERICSERV))))
    return NEXT(getaddrinfo)(node, service, hints, found);
  if (node && is_number(service)) {
    // An address is understood at once, and anything else is found out not to be one.
    struct addrinfo numeric = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};  // libc's own for none
    if (hints) numeric = *hints;
    numeric.ai_flags |= AI_NUMERICHOST;
    int result = NEXT(getaddrinfo)(node, service, &numeric, found);
    if (result != EAI_NONAME) return result;
  }
  lookup *lookup = calloc(1, sizeof *lookup);
  if (!lookup) return EAI_MEMORY;
  atomic_init(&lookup->owners, 2);
  if (node) lookup->node = strdup(node);
  if (service) lookup->service = strdup(service);
  if (hints) {
    lookup->has_hints = true;
    lookup->hints = *hints;
  }
  int outcome = (node && !lookup->node) || (service && !lookup->service)
                    ? SWIFTLET_FOREIGN_REFUSED
                    : interpose_offload(stack, look_up, lookup, false, false);
  if (outcome == SWIFTLET_FOREIGN_REFUSED) {
    atomic_store(&lookup->owners, 1);
    leave_lookup(lookup);
    return NEXT(getaddrinfo)(node, service, hints, found);
  }
  int result = EAI_SYSTEM, reason = ECANCELED;
  if (outcome == SWIFTLET_FOREIGN_READY) {
    result = lookup->result;
    reason = lookup->reason;
    if (result == 0) *found = lookup->found;
    lookup->found = NULL;
  }
  leave_lookup(lookup);
  if (result == EAI_SYSTEM) errno = reason;
  return result;
}

// MARK: The others

// Their results are written into memory of the caller, or of libc: they are not left alone.
typedef struct {
  enum { NAME_INFO, BY_NAME, BY_NAME_2, BY_ADDRESS, BY_NAME_R, BY_NAME_2_R, BY_ADDRESS_R } call;
  const void *name;
  socklen_t length;
  int family;
  char *host, *service;
  socklen_t host_size, service_size;
  int flags;
  struct hostent *entry, **found;
  char *buffer;
  size_t size;
  int *its_error;
  int result, reason, host_error;
} question;

COVER(NAMES, int, getnameinfo, const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service, socklen_t service_size, int flags);
COVER(NAMES, struct hostent *, gethostbyname, const char *name);
COVER(NAMES, struct hostent *, gethostbyname2, const char *name, int family);
COVER(NAMES, struct hostent *, gethostbyaddr, const void *address, socklen_t length, int family);
COVER(NAMES, int, gethostbyname_r, const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **found, int *error);
COVER(NAMES, int, gethostbyname2_r, const char *name, int family, struct hostent *entry, char *buffer, size_t size, struct hostent **found, int *error);
COVER(NAMES, int, gethostbyaddr_r, const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t size, struct hostent **found, int *error);

static void ask(void *argument) {
  question *asked = argument;
  switch (asked->call) {
    case NAME_INFO:
      asked->result = NEXT(getnameinfo)(
          asked->name, asked->length, asked->host, asked->host_size, asked->service, asked->service_size, asked->flags);
      break;
    case BY_NAME: asked->entry = NEXT(gethostbyname)(asked->name); break;
    case BY_NAME_2: asked->entry = NEXT(gethostbyname2)(asked->name, asked->family); break;
    case BY_ADDRESS: asked->entry = NEXT(gethostbyaddr)(asked->name, asked->length, asked->family); break;
    case BY_NAME_R:
      asked->result = NEXT(gethostbyname_r)(
          asked->name, asked->entry, asked->buffer, asked->size, asked->found, asked->its_error);
      break;
    case BY_NAME_2_R:
      asked->result = NEXT(gethostbyname2_r)(
          asked->name, asked->family, asked->entry, asked->buffer, asked->size, asked->found, asked->its_error);
      break;
    case BY_ADDRESS_R:
      asked->result = NEXT(gethostbyaddr_r)(
          asked->name, asked->length, asked->family, asked->entry, asked->buffer, asked->size, asked->found,
          asked->its_error);
      break;
  }
  asked->reason = errno;
  asked->host_error = h_errno;
}

static void answer(const void *stack, question *asked) {
  if (interpose_offload(stack, ask, asked, false, true) == SWIFTLET_FOREIGN_REFUSED) ask(asked);
  errno = asked->reason;
  h_errno = asked->host_error;
}

int getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service, socklen_t service_size, int flags) {
  const void *stack = interpose_gate(NAMES);
  if (!stack || ((flags & NI_NUMERICHOST) && (flags & NI_NUMERICSERV)))
    return NEXT(getnameinfo)(address, length, host, host_size, service, service_size, flags);
  question asked = {.call = NAME_INFO, .name = address, .length = length, .host = host, .host_size = host_size,
                    .service = service, .service_size = service_size, .flags = flags};
  answer(stack, &asked);
  return asked.result;
}

struct hostent *gethostbyname(const char *name) {
  const void *stack = interpose_gate(NAMES);
  if (!stack) return NEXT(gethostbyname)(name);
  question asked = {.call = BY_NAME, .name = name};
  answer(stack, &asked);
  return asked.entry;
}

struct hostent *gethostbyname2(const char *name, int family) {
  const void *stack = interpose_gate(NAMES);
  if (!stack) return NEXT(gethostbyname2)(name, family);
  question asked = {.call = BY_NAME_2, .name = name, .family = family};
  answer(stack, &asked);
  return asked.entry;
}

struct hostent *gethostbyaddr(const void *address, socklen_t length, int family) {
  const void *stack = interpose_gate(NAMES);
  if (!stack) return NEXT(gethostbyaddr)(address, length, family);
  question asked = {.call = BY_ADDRESS, .name = address, .length = length, .family = family};
  answer(stack, &asked);
  return asked.entry;
}

int gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **found, int *error) {
  const void *stack = interpose_gate(NAMES);
  if (!stack) return NEXT(gethostbyname_r)(name, entry, buffer, size, found, error);
  question asked = {.call = BY_NAME_R, .name = name, .entry = entry, .buffer = buffer, .size = size, .found = found,
                    .its_error = error};
  answer(stack, &asked);
  return asked.result;
}

int gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size, struct hostent **found, int *error) {
  const void *stack = interpose_gate(NAMES);
  if (!stack) return NEXT(gethostbyname2_r)(name, family, entry, buffer, size, found, error);
  question asked = {.call = BY_NAME_2_R, .name = name, .family = family, .entry = entry, .buffer = buffer, .size = size,
                    .found = found, .its_error = error};
  answer(stack, &asked);
  return asked.result;
}

int gethostbyaddr_r(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer, size_t size, struct hostent **found, int *error) {
  const void *stack = interpose_gate(NAMES);
  if (!stack) return NEXT(gethostbyaddr_r)(address, length, family, entry, buffer, size, found, error);
  question asked = {.call = BY_ADDRESS_R, .name = address, .length = length, .family = family, .entry = entry,
                    .buffer = buffer, .size = size, .found = found, .its_error = error};
  answer(stack, &asked);
  return asked.result;
}
