#include <curl/curl.h>

// curl_easy_setopt has variable arguments, which Swift cannot pass.
static inline CURLcode curl_set_text(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode curl_set_number(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}
static inline size_t curl_count_bytes(char *bytes, size_t size, size_t count, void *total) {
  (void)bytes;
  *(size_t *)total += size * count;
  return size * count;
}
static inline CURLcode curl_count_into(CURL *handle, size_t *total) {
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, total);
  return curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, curl_count_bytes);
}

/// What a transfer brings, as far as there is room for it.
typedef struct {
  size_t count;
  char bytes[1000];
} curl_text;
static inline size_t curl_keep_bytes(char *bytes, size_t size, size_t count, void *argument) {
  curl_text *text = (curl_text *)argument;
  for (size_t i = 0; i < size * count && text->count < sizeof text->bytes; i++) text->bytes[text->count++] = bytes[i];
  return size * count;
}
static inline CURLcode curl_keep_in(CURL *handle, curl_text *text) {
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, text);
  return curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, curl_keep_bytes);
}
