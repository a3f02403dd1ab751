#ifdef SWIFTLET_TLS

#include "swiftlet_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void swiftlet_tls_last_error(char *text, size_t size) {
  unsigned long code = ERR_peek_error();
  const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
  snprintf(text, size, "%s", reason != NULL ? reason : "no reason given");
  ERR_clear_error();
}

// OpenSSL's own would ask at the terminal.
static int answer_passphrase(char *buffer, int size, int is_writing, void *passphrase) {
  (void)is_writing;
  if (passphrase == NULL) return -1;
  int count = (int)strlen(passphrase);
  if (count > size) return -1;
  memcpy(buffer, passphrase, (size_t)count);
  return count;
}

// The end of a PEM source is told as an error: no further begin of a block; of a source of keys, in OpenSSL 3, as a form that
// its decoders do not know.
static bool is_at_end(void) {
  unsigned long code = ERR_peek_last_error();
  bool is_end = (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) ||
                (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER && ERR_GET_REASON(code) == ERR_R_UNSUPPORTED);
  if (is_end) ERR_clear_error();
  return is_end;
}

struct swiftlet_tls_identity swiftlet_tls_identity_read(BIO *certificates, BIO *key, const char *passphrase) {
  struct swiftlet_tls_identity identity = {0};
  const char *problem = NULL;
  ERR_clear_error();
  identity.certificate = PEM_read_bio_X509_AUX(certificates, NULL, answer_passphrase, NULL);
  identity.chain = sk_X509_new_null();
  if (identity.certificate == NULL) {
    problem = is_at_end() ? "the certificate's PEM holds no CERTIFICATE block" : "the certificate cannot be read";
  } else {
    X509 *issuer;
    while ((issuer = PEM_read_bio_X509(certificates, NULL, answer_passphrase, NULL)) != NULL)
      sk_X509_push(identity.chain, issuer);
    if (!is_at_end()) problem = "a certificate of the chain cannot be read";
  }
  if (problem == NULL) {
    identity.key = PEM_read_bio_PrivateKey(key, NULL, answer_passphrase, (void *)passphrase);
    if (identity.key == NULL) {
      problem = is_at_end() ? "the key's PEM holds no PRIVATE KEY block"
                : passphrase == NULL ? "the private key cannot be read; has it a passphrase?"
                                     : "the private key cannot be read; is the passphrase right?";
    } else if (X509_check_private_key(identity.certificate, identity.key) != 1) {
      problem = "the private key does not belong to the certificate";
    }
  }
  BIO_free(certificates);
  BIO_free(key);
  if (problem != NULL) {
    unsigned long code = ERR_peek_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    struct swiftlet_tls_identity failed = {0};
    snprintf(failed.text, sizeof failed.text, reason != NULL ? "%s (%s)" : "%s", problem, reason);
    ERR_clear_error();
    swiftlet_tls_identity_free(identity);
    return failed;
  }
  return identity;
}

void swiftlet_tls_identity_free(struct swiftlet_tls_identity identity) {
  X509_free(identity.certificate);
  sk_X509_pop_free(identity.chain, X509_free);
  EVP_PKEY_free(identity.key);
}

int swiftlet_tls_trust(SSL_CTX *context, BIO *certificates, bool names_to_clients) {
  int count = 0;
  X509 *certificate;
  ERR_clear_error();
  while ((certificate = PEM_read_bio_X509_AUX(certificates, NULL, answer_passphrase, NULL)) != NULL) {
    count += X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);
    if (names_to_clients) SSL_CTX_add_client_CA(context, certificate);
    X509_free(certificate);
  }
  BIO_free(certificates);
  return is_at_end() ? count : -1;
}

static void take_text(BIO *memory, char *text, size_t size) {
  int count = BIO_read(memory, text, (int)size - 1);
  text[count > 0 ? count : 0] = 0;
  BIO_free(memory);
}

void swiftlet_tls_subject(X509 *certificate, char *text, size_t size) {
  BIO *memory = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  take_text(memory, text, size);
}

void swiftlet_tls_names(X509 *certificate, char *text, size_t size) {
  BIO *memory = BIO_new(BIO_s_mem());
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  const char *separator = "";
  for (int index = 0; index < sk_GENERAL_NAME_num(names); index++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name->type == GEN_DNS) {
      BIO_printf(memory, "%s%.*s", separator, name->d.dNSName->length, name->d.dNSName->data);
    } else if (name->type == GEN_IPADD) {
      char address[INET6_ADDRSTRLEN];
      int family = name->d.iPAddress->length == 4 ? AF_INET : AF_INET6;
      if (name->d.iPAddress->length != 4 && name->d.iPAddress->length != 16) continue;
      BIO_printf(memory, "%s%s", separator, inet_ntop(family, name->d.iPAddress->data, address, sizeof address));
    } else {
      continue;
    }
    separator = ", ";
  }
  GENERAL_NAMES_free(names);
  take_text(memory, text, size);
}

void swiftlet_tls_day(X509 *certificate, bool is_end, char *text, size_t size) {
  struct tm day;
  const ASN1_TIME *time = is_end ? X509_get0_notAfter(certificate) : X509_get0_notBefore(certificate);
  text[0] = 0;
  if (ASN1_TIME_to_tm(time, &day) == 1) strftime(text, size, "%Y-%m-%d", &day);
}

#endif
