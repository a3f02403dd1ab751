// One TLS connection as a machine between two pieces of memory: encrypted bytes are put in at one side and taken out at
// the other, by whoever talks to the peer. OpenSSL never waits, so nothing parks inside it, and its queue of errors,
// which belongs to the thread, is read and emptied within the call that filled it. Each call takes the machine's mutex.
#ifndef SWIFTLET_TLS_H
#define SWIFTLET_TLS_H

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct swiftlet_tls swiftlet_tls;

enum swiftlet_tls_status {
  SWIFTLET_TLS_DONE,
  SWIFTLET_TLS_WANTS_INPUT,   // put in more of what the peer sent; all there was is used up
  SWIFTLET_TLS_WANTS_OUTPUT,  // take out first what is for the peer
  SWIFTLET_TLS_ENDED,         // the peer has said that it sends no more
  SWIFTLET_TLS_FAILED,        // for good; `swiftlet_tls_failure_of` says why
};

struct swiftlet_tls_step {
  enum swiftlet_tls_status status;
  bool has_output;
  size_t count;
};

struct swiftlet_tls_failure {
  int reason;          // OpenSSL's, of its library SSL; 0 if it was another library
  int alert;           // the alert that the peer sent, or -1
  bool is_truncation;  // the peer's stream ended without the goodbye of TLS
  long verify_code;    // X509_V_OK, or why the peer's certificate was refused
  X509 *certificate;   // the one that was refused, which may be an issuer's; owned by the machine
  char text[256];      // in OpenSSL's words
};

swiftlet_tls *swiftlet_tls_make(SSL_CTX *context, bool is_server);
void swiftlet_tls_free(swiftlet_tls *machine);

/// For settings before the handshake and questions after it.
SSL *swiftlet_tls_ssl(swiftlet_tls *machine);

struct swiftlet_tls_step swiftlet_tls_handshake(swiftlet_tls *machine);
/// Decrypts as much as is there and has room.
struct swiftlet_tls_step swiftlet_tls_read(swiftlet_tls *machine, void *buffer, size_t size);
/// DONE when something can be read; nothing is taken.
struct swiftlet_tls_step swiftlet_tls_peek(swiftlet_tls *machine);
/// Encrypts until all is done, or much waits to be taken out.
struct swiftlet_tls_step swiftlet_tls_write(swiftlet_tls *machine, const void *bytes, size_t size);
/// Says goodbye: nothing can be written afterwards.
struct swiftlet_tls_step swiftlet_tls_end(swiftlet_tls *machine);

/// Where to put what the peer sends. Only after WANTS_INPUT, by one at a time.
void *swiftlet_tls_input_space(swiftlet_tls *machine, size_t *size);
/// So many bytes have been put there; 0 is the end of the peer's stream.
void swiftlet_tls_input_filled(swiftlet_tls *machine, size_t count);
/// Nothing is expected soon: gives the space back.
void swiftlet_tls_input_release(swiftlet_tls *machine);

/// What is for the peer; NULL if nothing. To be given back by `swiftlet_tls_output_release`.
void *swiftlet_tls_output_take(swiftlet_tls *machine, size_t *count);
void swiftlet_tls_output_release(swiftlet_tls *machine, void *bytes);
bool swiftlet_tls_has_output(swiftlet_tls *machine);

const struct swiftlet_tls_failure *swiftlet_tls_failure_of(swiftlet_tls *machine);
/// A session that the server has offered for later connections; NULL if there is none (any more). The caller owns it.
SSL_SESSION *swiftlet_tls_take_session(swiftlet_tls *machine);
/// Has a client's sessions kept for `swiftlet_tls_take_session`.
void swiftlet_tls_collect_sessions(SSL_CTX *context);

/// A certificate with its chain and its key. All NULL if it cannot be read; then `text` says why.
struct swiftlet_tls_identity {
  X509 *certificate;
  STACK_OF(X509) * chain;
  EVP_PKEY *key;
  char text[256];
};
/// Reads PEM. Frees both sources. `passphrase` may be NULL.
struct swiftlet_tls_identity swiftlet_tls_identity_read(BIO *certificates, BIO *key, const char *passphrase);
void swiftlet_tls_identity_free(struct swiftlet_tls_identity identity);

/// Trusts the certificates in a PEM source, which is freed; a server also names them to its clients.
/// Answers how many there were; -1 when one cannot be read.
int swiftlet_tls_trust(SSL_CTX *context, BIO *certificates, bool names_to_clients);

/// The subject in the form of RFC 2253; written to `text`, cut to its size.
void swiftlet_tls_subject(X509 *certificate, char *text, size_t size);
/// The names and addresses that it is for, with commas between.
void swiftlet_tls_names(X509 *certificate, char *text, size_t size);
/// The day of its begin or end, as in 2026-01-31.
void swiftlet_tls_day(X509 *certificate, bool is_end, char *text, size_t size);
/// OpenSSL's words for the error that this thread's last call left, which is taken out of the queue.
void swiftlet_tls_last_error(char *text, size_t size);

// Macros of OpenSSL as functions.
static inline void swiftlet_tls_set_up(SSL_CTX *context, int minimum, int maximum) {
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_min_proto_version(context, minimum);
  SSL_CTX_set_max_proto_version(context, maximum);
}
static inline void swiftlet_tls_set_server_name(SSL *ssl, const char *name) { SSL_set_tlsext_host_name(ssl, name); }
static inline void swiftlet_tls_set_session_cache(SSL_CTX *context, long mode) {
  SSL_CTX_set_session_cache_mode(context, mode);
}
static inline int swiftlet_tls_use_identity(SSL *ssl, const struct swiftlet_tls_identity *identity) {
  return SSL_use_cert_and_key(ssl, identity->certificate, identity->key, identity->chain, 1);
}
static inline int swiftlet_tls_use_identity_for_all(SSL_CTX *context, const struct swiftlet_tls_identity *identity) {
  return SSL_CTX_use_cert_and_key(context, identity->certificate, identity->key, identity->chain, 1);
}

#endif
