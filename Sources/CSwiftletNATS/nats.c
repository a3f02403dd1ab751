#include "CSwiftletNATS.h"

#include <stdio.h>
#include <string.h>

#ifdef SWIFTLET_NATS

#include <nats/nats.h>
#include <pthread.h>
#include <stdlib.h>

// Each is known by its tag, which libnats's callback gets with the connection.
struct subscription {
  swiftlet_nats *connection;
  natsSubscription *handle;
  uint64_t tag;
  struct subscription *next;
};

// Lives as long as anybody may call: its owner, each subscription until libnats has said that its last callback is done,
// and the connection of libnats until it has said that it is closed.
struct swiftlet_nats {
  pthread_mutex_t mutex;  // guards all below
  int references;
  bool is_abandoned;  // its owner has closed it
  natsConnection *handle;
  struct swiftlet_nats_events events;
  swiftlet_nats_message *queue;
  size_t first, count, capacity;
  struct subscription *subscriptions;
  bool is_awake;  // was woken, and has not found the queue empty since
  void (*wake)(void *);
  void *context;
};

static void retain(swiftlet_nats *connection) {
  pthread_mutex_lock(&connection->mutex);
  connection->references += 1;
  pthread_mutex_unlock(&connection->mutex);
}

static void release(swiftlet_nats *connection) {
  pthread_mutex_lock(&connection->mutex);
  bool is_last = --connection->references == 0;
  pthread_mutex_unlock(&connection->mutex);
  if (!is_last) return;
  for (size_t index = 0; index < connection->count; index++)
    natsMsg_Destroy(connection->queue[connection->first + index].handle);
  free(connection->queue);
  pthread_mutex_destroy(&connection->mutex);
  free(connection);
}

// With the mutex held: so the owner, who takes it to abandon the connection, is not called afterwards.
static void wake(swiftlet_nats *connection) {
  if (connection->is_abandoned || connection->is_awake) return;
  connection->is_awake = true;
  connection->wake(connection->context);
}

static void took(natsConnection *handle, natsSubscription *subscription, natsMsg *message, void *closure) {
  (void)handle, (void)subscription;
  struct subscription *own = closure;
  swiftlet_nats *connection = own->connection;
  pthread_mutex_lock(&connection->mutex);
  if (connection->is_abandoned) {
    pthread_mutex_unlock(&connection->mutex);
    natsMsg_Destroy(message);
    return;
  }
  if (connection->first + connection->count == connection->capacity) {
    if (connection->first > connection->capacity / 2) {
      memmove(connection->queue, connection->queue + connection->first, connection->count * sizeof *connection->queue);
    } else {
      size_t capacity = connection->capacity ? connection->capacity * 2 : 256;
      swiftlet_nats_message *queue = malloc(capacity * sizeof *queue);
      if (!queue) abort();
      if (connection->count)
        memcpy(queue, connection->queue + connection->first, connection->count * sizeof *queue);
      free(connection->queue);
      connection->queue = queue;
      connection->capacity = capacity;
    }
    connection->first = 0;
  }
  connection->queue[connection->first + connection->count++] = (swiftlet_nats_message){message, own->tag};
  wake(connection);
  pthread_mutex_unlock(&connection->mutex);
}

static void completed(void *closure) {
  struct subscription *subscription = closure;
  release(subscription->connection);
  free(subscription);
}

static void changed(swiftlet_nats *connection, bool is_connected, bool is_back, bool is_closed) {
  pthread_mutex_lock(&connection->mutex);
  connection->events.is_connected = is_connected;
  connection->events.reconnected += is_back;
  connection->events.is_closed = is_closed;
  wake(connection);
  pthread_mutex_unlock(&connection->mutex);
}

static void lost(natsConnection *handle, void *closure) {
  (void)handle;
  changed(closure, false, false, false);
}

static void came_back(natsConnection *handle, void *closure) {
  (void)handle;
  changed(closure, true, true, false);
}

static void closed(natsConnection *handle, void *closure) {
  (void)handle;
  changed(closure, false, false, true);
  release(closure);
}

// A slow consumer, or a permission that is missing: what was waited for does not come, and its waiter says so.
static void failed(natsConnection *handle, natsSubscription *subscription, natsStatus status, void *closure) {
  (void)handle, (void)subscription, (void)status, (void)closure;
}

static natsStatus configure(natsOptions *options, const struct swiftlet_nats_settings *settings, swiftlet_nats *connection) {
  natsStatus status = natsOptions_SetServers(options, (const char **)settings->servers, settings->server_count);
#define TRY(call) \
  do {            \
    if (status == NATS_OK) status = call; \
  } while (0)
  TRY(natsOptions_SetName(options, settings->name));
  TRY(natsOptions_SetTimeout(options, settings->timeout));
  if (settings->user) TRY(natsOptions_SetUserInfo(options, settings->user, settings->password));
  if (settings->token) TRY(natsOptions_SetToken(options, settings->token));
  if (settings->credentials)
    TRY(natsOptions_SetUserCredentialsFromFiles(options, settings->credentials, settings->seed));
  else if (settings->seed)
    TRY(natsOptions_SetNKeyFromSeed(options, settings->public_key, settings->seed));
  if (settings->uses_tls) TRY(natsOptions_SetSecure(options, true));
  if (settings->authority) TRY(natsOptions_LoadCATrustedCertificates(options, settings->authority));
  if (settings->certificate)
    TRY(natsOptions_LoadCertificatesChain(options, settings->certificate, settings->private_key));
  if (settings->host) TRY(natsOptions_SetExpectedHostname(options, settings->host));
  if (settings->skips_verification) TRY(natsOptions_SkipServerVerification(options, true));
  // For ever: a pool is not to be made anew because a server was away for a while.
  TRY(natsOptions_SetMaxReconnect(options, -1));
  TRY(natsOptions_SetReconnectWait(options, 250));
  TRY(natsOptions_SetReconnectJitter(options, 100, 100));
  // A server that is stopped answers no ping, and takes no bytes.
  TRY(natsOptions_SetPingInterval(options, 2000));
  TRY(natsOptions_SetMaxPingsOut(options, 2));
  TRY(natsOptions_SetWriteDeadline(options, 5000));
  TRY(natsOptions_SetMaxPendingMsgs(options, 1 << 20));
  TRY(natsOptions_SetDisconnectedCB(options, lost, connection));
  TRY(natsOptions_SetReconnectedCB(options, came_back, connection));
  TRY(natsOptions_SetClosedCB(options, closed, connection));
  TRY(natsOptions_SetErrorHandler(options, failed, connection));
#undef TRY
  return status;
}

swiftlet_nats *swiftlet_nats_open(const struct swiftlet_nats_settings *settings, struct swiftlet_nats_text *reason) {
  swiftlet_nats *connection = calloc(1, sizeof *connection);
  if (!connection) abort();
  pthread_mutex_init(&connection->mutex, NULL);
  connection->references = 2;  // the owner's, and the one that `closed` gives back
  connection->wake = settings->wake;
  connection->context = settings->context;
  natsOptions *options = NULL;
  natsStatus status = natsOptions_Create(&options);
  if (status == NATS_OK) status = configure(options, settings, connection);
  if (status == NATS_OK) status = natsConnection_Connect(&connection->handle, options);
  natsOptions_Destroy(options);
  if (status != NATS_OK) {
    const char *text = nats_GetLastError(NULL);
    snprintf(reason->text, sizeof reason->text, "%s", text && *text ? text : natsStatus_GetText(status));
    connection->references = 1;  // it was never open, so `closed` is not called
    release(connection);
    return NULL;
  }
  pthread_mutex_lock(&connection->mutex);
  connection->events.is_connected = true;
  pthread_mutex_unlock(&connection->mutex);
  return connection;
}

void swiftlet_nats_close(swiftlet_nats *connection) {
  pthread_mutex_lock(&connection->mutex);
  connection->is_abandoned = true;
  struct subscription *subscriptions = connection->subscriptions;
  connection->subscriptions = NULL;
  pthread_mutex_unlock(&connection->mutex);
  while (subscriptions) {
    // `completed` frees the record, maybe at once.
    struct subscription *next = subscriptions->next;
    natsSubscription_Destroy(subscriptions->handle);
    subscriptions = next;
  }
  natsConnection_Close(connection->handle);
  natsConnection_Destroy(connection->handle);
  release(connection);
}

const char *swiftlet_nats_subscribe(swiftlet_nats *connection, const char *subject, uint64_t tag) {
  struct subscription *subscription = calloc(1, sizeof *subscription);
  if (!subscription) abort();
  subscription->connection = connection;
  subscription->tag = tag;
  retain(connection);
  natsStatus status =
      natsConnection_Subscribe(&subscription->handle, connection->handle, subject, took, subscription);
  if (status != NATS_OK) {
    free(subscription);
    release(connection);
    return natsStatus_GetText(status);
  }
  natsSubscription_SetOnCompleteCB(subscription->handle, completed, subscription);
  // The number of messages that are asked for is bounded by whoever asks.
  natsSubscription_SetPendingLimits(subscription->handle, -1, -1);
  pthread_mutex_lock(&connection->mutex);
  subscription->next = connection->subscriptions;
  connection->subscriptions = subscription;
  pthread_mutex_unlock(&connection->mutex);
  return NULL;
}

void swiftlet_nats_unsubscribe(swiftlet_nats *connection, uint64_t tag) {
  pthread_mutex_lock(&connection->mutex);
  struct subscription **place = &connection->subscriptions;
  while (*place && (*place)->tag != tag) place = &(*place)->next;
  struct subscription *found = *place;
  if (found) *place = found->next;
  pthread_mutex_unlock(&connection->mutex);
  if (!found) return;
  // `completed` frees the record, maybe at once.
  natsSubscription *handle = found->handle;
  natsSubscription_Unsubscribe(handle);
  natsSubscription_Destroy(handle);
}

size_t swiftlet_nats_max_payload(swiftlet_nats *connection) {
  int64_t limit = natsConnection_GetMaxPayload(connection->handle);
  return limit > 0 ? (size_t)limit : 0;
}

const char *swiftlet_nats_send(swiftlet_nats *connection, const char *subject, const char *reply,
                               const struct swiftlet_nats_header *headers, int header_count, const void *bytes,
                               size_t size) {
  natsStatus status;
  if (header_count == 0) {
    status = reply ? natsConnection_PublishRequest(connection->handle, subject, reply, bytes, (int)size)
                   : natsConnection_Publish(connection->handle, subject, bytes, (int)size);
  } else {
    natsMsg *message = NULL;
    status = natsMsg_Create(&message, subject, reply, bytes, (int)size);
    for (int index = 0; status == NATS_OK && index < header_count; index++)
      status = natsMsgHeader_Set(message, headers[index].name, headers[index].value);
    if (status == NATS_OK) status = natsConnection_PublishMsg(connection->handle, message);
    natsMsg_Destroy(message);
  }
  return status == NATS_OK ? NULL : natsStatus_GetText(status);
}

bool swiftlet_nats_flush(swiftlet_nats *connection, int64_t timeout) {
  return natsConnection_FlushTimeout(connection->handle, timeout) == NATS_OK;
}

size_t swiftlet_nats_take(swiftlet_nats *connection, swiftlet_nats_message *messages, size_t most, bool looks_again) {
  pthread_mutex_lock(&connection->mutex);
  size_t count = connection->count < most ? connection->count : most;
  if (count) memcpy(messages, connection->queue + connection->first, count * sizeof *messages);
  connection->first += count;
  connection->count -= count;
  if (connection->count == 0) {
    connection->first = 0;
    if (!looks_again) connection->is_awake = false;
  }
  pthread_mutex_unlock(&connection->mutex);
  return count;
}

struct swiftlet_nats_events swiftlet_nats_events_of(swiftlet_nats *connection) {
  pthread_mutex_lock(&connection->mutex);
  struct swiftlet_nats_events events = connection->events;
  pthread_mutex_unlock(&connection->mutex);
  return events;
}

const char *swiftlet_nats_subject(void *message) { return natsMsg_GetSubject(message); }
const char *swiftlet_nats_reply(void *message) { return natsMsg_GetReply(message); }

const char *swiftlet_nats_header_of(void *message, const char *name) {
  const char *value = NULL;
  return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : NULL;
}

const void *swiftlet_nats_bytes(void *message, size_t *size) {
  *size = (size_t)natsMsg_GetDataLength(message);
  return natsMsg_GetData(message);
}

void swiftlet_nats_drop(void *message) { natsMsg_Destroy(message); }

#else

swiftlet_nats *swiftlet_nats_open(const struct swiftlet_nats_settings *settings, struct swiftlet_nats_text *reason) {
  (void)settings;
  reason->text[0] = 0;
  return NULL;
}

// Never called: there is no connection.
void swiftlet_nats_close(swiftlet_nats *connection) { (void)connection; }
const char *swiftlet_nats_subscribe(swiftlet_nats *connection, const char *subject, uint64_t tag) {
  (void)connection, (void)subject, (void)tag;
  return "built without NATS";
}
void swiftlet_nats_unsubscribe(swiftlet_nats *connection, uint64_t tag) { (void)connection, (void)tag; }
size_t swiftlet_nats_max_payload(swiftlet_nats *connection) { return (void)connection, 0; }
const char *swiftlet_nats_send(swiftlet_nats *connection, const char *subject, const char *reply,
                               const struct swiftlet_nats_header *headers, int header_count, const void *bytes,
                               size_t size) {
  (void)connection, (void)subject, (void)reply, (void)headers, (void)header_count, (void)bytes, (void)size;
  return "built without NATS";
}
bool swiftlet_nats_flush(swiftlet_nats *connection, int64_t timeout) { return (void)connection, (void)timeout, false; }
size_t swiftlet_nats_take(swiftlet_nats *connection, swiftlet_nats_message *messages, size_t most, bool looks_again) {
  return (void)connection, (void)messages, (void)most, (void)looks_again, 0;
}
struct swiftlet_nats_events swiftlet_nats_events_of(swiftlet_nats *connection) {
  (void)connection;
  return (struct swiftlet_nats_events){0, false, true};
}
const char *swiftlet_nats_subject(void *message) { return (void)message, NULL; }
const char *swiftlet_nats_reply(void *message) { return (void)message, NULL; }
const char *swiftlet_nats_header_of(void *message, const char *name) { return (void)message, (void)name, NULL; }
const void *swiftlet_nats_bytes(void *message, size_t *size) { return (void)message, *size = 0, NULL; }
void swiftlet_nats_drop(void *message) { (void)message; }

#endif
