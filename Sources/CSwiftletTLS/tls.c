// Without the package's trait TLS this file is empty, so that OpenSSL's headers need not be there.
#ifdef SWIFTLET_TLS

#include "swiftlet_tls.h"

#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
  // A record with all that TLS adds (RFC 8446, 5.2; RFC 5246, 6.2.3) fits into the small space.
  SMALL_INPUT = 17 * 1024,
  LARGE_INPUT = 64 * 1024,
  // From here on output is taken out before more is made.
  OUTPUT_LIMIT = 64 * 1024,
  SESSION_LIMIT = 4,
};

struct swiftlet_tls {
  pthread_mutex_t mutex;
  SSL *ssl;
  unsigned char *input;
  size_t input_start, input_end, input_capacity;
  bool input_has_ended;
  bool input_was_full;  // there was more than fitted: a larger space saves calls to the kernel
  unsigned char *output;
  size_t output_count, output_capacity;
  bool has_failed;
  struct swiftlet_tls_failure failure;
  SSL_SESSION *sessions[SESSION_LIMIT];
  int session_count;
};

// MARK: The two pieces of memory, as OpenSSL sees them

static int read_input(BIO *bio, char *bytes, int size) {
  swiftlet_tls *machine = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  size_t there = machine->input_end - machine->input_start;
  if (there == 0) {
    if (machine->input_has_ended) return 0;
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t count = (size_t)size < there ? (size_t)size : there;
  memcpy(bytes, machine->input + machine->input_start, count);
  machine->input_start += count;
  return (int)count;
}

static int write_output(BIO *bio, const char *bytes, int size) {
  swiftlet_tls *machine = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (machine->output_count >= OUTPUT_LIMIT) {
    BIO_set_retry_write(bio);
    return -1;
  }
  size_t needed = machine->output_count + (size_t)size;
  if (needed > machine->output_capacity) {
    // Steps for a handshake or a head, for a record behind a head, and for all there may be.
    size_t capacity = needed <= 4096 ? 4096 : needed <= 20480 ? 20480 : OUTPUT_LIMIT + SMALL_INPUT;
    if (capacity < needed) capacity = needed;
    unsigned char *larger = realloc(machine->output, capacity);
    if (larger == NULL) return -1;
    machine->output = larger;
    machine->output_capacity = capacity;
  }
  memcpy(machine->output + machine->output_count, bytes, (size_t)size);
  machine->output_count = needed;
  return size;
}

static long control(BIO *bio, int command, long number, void *pointer) {
  (void)number;
  (void)pointer;
  swiftlet_tls *machine = BIO_get_data(bio);
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return machine->input_has_ended && machine->input_start == machine->input_end;
    default: return 0;
  }
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void) {
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "swiftlet");
  BIO_meth_set_read(method, read_input);
  BIO_meth_set_write(method, write_output);
  BIO_meth_set_ctrl(method, control);
}

// MARK: Making and freeing

// Keeps the first thing that is wrong with the peer's certificates, for the error that follows from it.
static int note_refusal(int is_accepted, X509_STORE_CTX *store) {
  if (is_accepted) return is_accepted;
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  swiftlet_tls *machine = SSL_get_app_data(ssl);
  if (machine->failure.verify_code == X509_V_OK) {
    machine->failure.verify_code = X509_STORE_CTX_get_error(store);
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    if (certificate != NULL && X509_up_ref(certificate)) machine->failure.certificate = certificate;
  }
  return is_accepted;
}

swiftlet_tls *swiftlet_tls_make(SSL_CTX *context, bool is_server) {
  pthread_once(&method_once, make_method);
  swiftlet_tls *machine = calloc(1, sizeof *machine);
  SSL *ssl = SSL_new(context);
  BIO *bio = method == NULL ? NULL : BIO_new(method);
  if (machine == NULL || ssl == NULL || bio == NULL) {
    free(machine);
    SSL_free(ssl);
    BIO_free(bio);
    return NULL;
  }
  pthread_mutex_init(&machine->mutex, NULL);
  machine->failure.alert = -1;
  machine->ssl = ssl;
  BIO_set_data(bio, machine);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_app_data(ssl, machine);
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context), note_refusal);
  if (is_server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  return machine;
}

void swiftlet_tls_free(swiftlet_tls *machine) {
  SSL_free(machine->ssl);
  X509_free(machine->failure.certificate);
  for (int index = 0; index < machine->session_count; index++) SSL_SESSION_free(machine->sessions[index]);
  free(machine->input);
  free(machine->output);
  pthread_mutex_destroy(&machine->mutex);
  free(machine);
}

SSL *swiftlet_tls_ssl(swiftlet_tls *machine) { return machine->ssl; }

// MARK: Steps

static void note_failure(swiftlet_tls *machine, int kind) {
  machine->has_failed = true;
  unsigned long code = ERR_peek_error();
  struct swiftlet_tls_failure *failure = &machine->failure;
  const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
  if (code != 0 && ERR_GET_LIB(code) == ERR_LIB_SSL) {
    failure->reason = ERR_GET_REASON(code);
    // ssl.h: reasons from SSL_AD_REASON_OFFSET on are alerts that came from the peer.
    if (failure->reason >= SSL_AD_REASON_OFFSET) failure->alert = failure->reason - SSL_AD_REASON_OFFSET;
  }
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
  failure->is_truncation = failure->reason == SSL_R_UNEXPECTED_EOF_WHILE_READING;
#endif
  if (kind == SSL_ERROR_SYSCALL && machine->input_has_ended) failure->is_truncation = true;
  strncpy(failure->text, reason != NULL ? reason : "no reason given", sizeof failure->text - 1);
  ERR_clear_error();
}

static struct swiftlet_tls_step step(swiftlet_tls *machine, enum swiftlet_tls_status status, size_t count) {
  return (struct swiftlet_tls_step){status, machine->output_count > 0, count};
}

// What a call of OpenSSL that did not succeed asks for.
static struct swiftlet_tls_step unfinished(swiftlet_tls *machine, int result) {
  int kind = SSL_get_error(machine->ssl, result);
  switch (kind) {
    case SSL_ERROR_WANT_READ: return step(machine, SWIFTLET_TLS_WANTS_INPUT, 0);
    case SSL_ERROR_WANT_WRITE: return step(machine, SWIFTLET_TLS_WANTS_OUTPUT, 0);
    case SSL_ERROR_ZERO_RETURN: return step(machine, SWIFTLET_TLS_ENDED, 0);
    default: note_failure(machine, kind); return step(machine, SWIFTLET_TLS_FAILED, 0);
  }
}

// Another user of OpenSSL on this thread may have left errors behind, which SSL_get_error would take for ours.
static bool begin(swiftlet_tls *machine) {
  pthread_mutex_lock(&machine->mutex);
  if (machine->has_failed) return false;
  ERR_clear_error();
  return true;
}

static struct swiftlet_tls_step finish(swiftlet_tls *machine, struct swiftlet_tls_step result) {
  pthread_mutex_unlock(&machine->mutex);
  return result;
}

struct swiftlet_tls_step swiftlet_tls_handshake(swiftlet_tls *machine) {
  if (!begin(machine)) return finish(machine, step(machine, SWIFTLET_TLS_FAILED, 0));
  int result = SSL_do_handshake(machine->ssl);
  return finish(machine, result == 1 ? step(machine, SWIFTLET_TLS_DONE, 0) : unfinished(machine, result));
}

struct swiftlet_tls_step swiftlet_tls_read(swiftlet_tls *machine, void *buffer, size_t size) {
  if (!begin(machine)) return finish(machine, step(machine, SWIFTLET_TLS_FAILED, 0));
  size_t total = 0;
  while (total < size) {
    size_t count = 0;
    int result = SSL_read_ex(machine->ssl, (char *)buffer + total, size - total, &count);
    if (result != 1) {
      struct swiftlet_tls_step last = unfinished(machine, result);
      // An end or a failure behind these bytes is told again by the next call.
      return finish(machine, total > 0 ? step(machine, SWIFTLET_TLS_DONE, total) : last);
    }
    total += count;
    // Without a whole record at hand the next round would only be told so.
    if (SSL_pending(machine->ssl) == 0 && machine->input_start == machine->input_end) break;
  }
  return finish(machine, step(machine, SWIFTLET_TLS_DONE, total));
}

struct swiftlet_tls_step swiftlet_tls_peek(swiftlet_tls *machine) {
  if (!begin(machine)) return finish(machine, step(machine, SWIFTLET_TLS_FAILED, 0));
  char byte;
  size_t count = 0;
  int result = SSL_peek_ex(machine->ssl, &byte, 1, &count);
  return finish(machine, result == 1 ? step(machine, SWIFTLET_TLS_DONE, count) : unfinished(machine, result));
}

struct swiftlet_tls_step swiftlet_tls_write(swiftlet_tls *machine, const void *bytes, size_t size) {
  if (!begin(machine)) return finish(machine, step(machine, SWIFTLET_TLS_FAILED, 0));
  size_t total = 0;
  while (total < size && machine->output_count < OUTPUT_LIMIT) {
    size_t count = 0;
    int result = SSL_write_ex(machine->ssl, (const char *)bytes + total, size - total, &count);
    if (result != 1) {
      struct swiftlet_tls_step last = unfinished(machine, result);
      last.count = total;
      return finish(machine, last);
    }
    total += count;
  }
  return finish(machine, step(machine, total == size ? SWIFTLET_TLS_DONE : SWIFTLET_TLS_WANTS_OUTPUT, total));
}

struct swiftlet_tls_step swiftlet_tls_end(swiftlet_tls *machine) {
  if (!begin(machine)) return finish(machine, step(machine, SWIFTLET_TLS_FAILED, 0));
  // In the middle of a handshake there is nobody to say goodbye to (SSL_shutdown(3)).
  if (SSL_in_init(machine->ssl)) return finish(machine, step(machine, SWIFTLET_TLS_DONE, 0));
  int result = SSL_shutdown(machine->ssl);
  return finish(machine, result >= 0 ? step(machine, SWIFTLET_TLS_DONE, 0) : unfinished(machine, result));
}

// MARK: Input and output

void *swiftlet_tls_input_space(swiftlet_tls *machine, size_t *size) {
  pthread_mutex_lock(&machine->mutex);
  size_t wanted = machine->input_was_full ? LARGE_INPUT : SMALL_INPUT;
  if (machine->input_capacity < wanted) {
    free(machine->input);
    machine->input = malloc(wanted);
    machine->input_capacity = machine->input == NULL ? 0 : wanted;
  }
  machine->input_start = machine->input_end = 0;
  *size = machine->input_capacity;
  void *space = machine->input;
  pthread_mutex_unlock(&machine->mutex);
  return space;
}

void swiftlet_tls_input_filled(swiftlet_tls *machine, size_t count) {
  pthread_mutex_lock(&machine->mutex);
  machine->input_end = count;
  machine->input_has_ended = count == 0;
  machine->input_was_full = count == machine->input_capacity;
  pthread_mutex_unlock(&machine->mutex);
}

void swiftlet_tls_input_release(swiftlet_tls *machine) {
  pthread_mutex_lock(&machine->mutex);
  free(machine->input);
  machine->input = NULL;
  machine->input_start = machine->input_end = machine->input_capacity = 0;
  pthread_mutex_unlock(&machine->mutex);
}

void *swiftlet_tls_output_take(swiftlet_tls *machine, size_t *count) {
  pthread_mutex_lock(&machine->mutex);
  *count = machine->output_count;
  void *bytes = NULL;
  if (machine->output_count > 0) {
    bytes = machine->output;
    machine->output = NULL;
    machine->output_count = machine->output_capacity = 0;
  }
  pthread_mutex_unlock(&machine->mutex);
  return bytes;
}

void swiftlet_tls_output_release(swiftlet_tls *machine, void *bytes) {
  (void)machine;
  free(bytes);
}

bool swiftlet_tls_has_output(swiftlet_tls *machine) {
  pthread_mutex_lock(&machine->mutex);
  bool has_output = machine->output_count > 0;
  pthread_mutex_unlock(&machine->mutex);
  return has_output;
}

const struct swiftlet_tls_failure *swiftlet_tls_failure_of(swiftlet_tls *machine) { return &machine->failure; }

// MARK: Sessions

static int keep_session(SSL *ssl, SSL_SESSION *session) {
  swiftlet_tls *machine = SSL_get_app_data(ssl);
  if (machine->session_count == SESSION_LIMIT) {
    SSL_SESSION_free(machine->sessions[0]);
    memmove(machine->sessions, machine->sessions + 1, (SESSION_LIMIT - 1) * sizeof machine->sessions[0]);
    machine->session_count -= 1;
  }
  machine->sessions[machine->session_count++] = session;
  return 1;
}

void swiftlet_tls_collect_sessions(SSL_CTX *context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
}

SSL_SESSION *swiftlet_tls_take_session(swiftlet_tls *machine) {
  pthread_mutex_lock(&machine->mutex);
  SSL_SESSION *session = machine->session_count > 0 ? machine->sessions[--machine->session_count] : NULL;
  pthread_mutex_unlock(&machine->mutex);
  return session;
}

#endif
