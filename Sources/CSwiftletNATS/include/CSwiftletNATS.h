// A connection of libnats whose messages wait in a queue of ours. libnats calls back on threads of its own: they only put into
// the queue, and wake whoever empties it when it was empty. Opening, sending and closing may wait for the network: they
// are for threads that may. Built without the trait NATS, opening fails and says so.
#ifndef SWIFTLET_NATS_H
#define SWIFTLET_NATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct swiftlet_nats swiftlet_nats;

struct swiftlet_nats_settings {
  const char *const *servers;
  int server_count;
  const char *name;
  const char *user;  // all texts from here on may be null
  const char *password;
  const char *token;
  const char *credentials;  // a file
  const char *seed;         // a file
  const char *public_key;   // that belongs to the seed, if there are no credentials
  bool uses_tls;
  const char *authority;    // a file
  const char *certificate;  // a file
  const char *private_key;  // a file
  const char *host;         // that the server's certificate must name
  bool skips_verification;
  int64_t timeout;  // of one server's connecting, in milliseconds
  void (*wake)(void *);  // called on threads of libnats: when the queue was empty, or an event came
  void *context;
};

struct swiftlet_nats_text {
  char text[256];
};

// Null, with the reason, if no server can be reached.
swiftlet_nats *swiftlet_nats_open(const struct swiftlet_nats_settings *settings, struct swiftlet_nats_text *reason);

// Afterwards nobody is woken any more. Messages that were taken stay good.
void swiftlet_nats_close(swiftlet_nats *connection);

// What comes for the subject is queued with the tag. Null, or the reason.
const char *swiftlet_nats_subscribe(swiftlet_nats *connection, const char *subject, uint64_t tag);
void swiftlet_nats_unsubscribe(swiftlet_nats *connection, uint64_t tag);

size_t swiftlet_nats_max_payload(swiftlet_nats *connection);

struct swiftlet_nats_header {
  const char *name;
  const char *value;
};

// Null, or the reason. What is sent while the connection is lost goes out when it is back, up to a limit.
const char *swiftlet_nats_send(swiftlet_nats *connection, const char *subject, const char *reply,
                               const struct swiftlet_nats_header *headers, int header_count, const void *bytes,
                               size_t size);

// Waits until the server has all that was sent, or so many milliseconds.
bool swiftlet_nats_flush(swiftlet_nats *connection, int64_t timeout);

typedef struct swiftlet_nats_message {
  void *handle;
  uint64_t tag;
} swiftlet_nats_message;

// Takes up to so many messages out of the queue. Who has found it empty is woken by the next one, unless it looks again
// of its own accord.
size_t swiftlet_nats_take(swiftlet_nats *connection, swiftlet_nats_message *messages, size_t most, bool looks_again);

struct swiftlet_nats_events {
  uint32_t reconnected;  // how often
  bool is_connected;
  bool is_closed;
};
struct swiftlet_nats_events swiftlet_nats_events_of(swiftlet_nats *connection);

// Texts and bytes are good until the message is dropped; null if there is none.
const char *swiftlet_nats_subject(void *message);
const char *swiftlet_nats_reply(void *message);
const char *swiftlet_nats_header_of(void *message, const char *name);
const void *swiftlet_nats_bytes(void *message, size_t *size);
void swiftlet_nats_drop(void *message);

#endif
