// The proof that a name is bound here: what the dynamic linker answers, and what it has written into the tables of every
// loaded library.
#include "interpose.h"

#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  const swiftlet_covered *covered;
  const char *own;   // the file this library is in
  char *who;
  size_t capacity;
  bool is_bypassed, has_dynamic;
} search;

static const void *address_in(const struct dl_phdr_info *library, ElfW(Addr) value) {
  // glibc has relocated most of these addresses already, but not on every architecture, nor those of the vDSO.
  return (const void *)(value < library->dlpi_addr ? library->dlpi_addr + value : value);
}

static bool contains(const struct dl_phdr_info *library, const void *address) {
  for (int i = 0; i < library->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &library->dlpi_phdr[i];
    ElfW(Addr) low = library->dlpi_addr + part->p_vaddr;
    if (part->p_type == PT_LOAD && (ElfW(Addr))address >= low && (ElfW(Addr))address < low + part->p_memsz) return true;
  }
  return false;
}

static int look_at(struct dl_phdr_info *library, size_t size, void *argument) {
  search *search = argument;
  (void)size;
  const ElfW(Dyn) *dynamic = NULL;
  for (int i = 0; i < library->dlpi_phnum; i++)
    if (library->dlpi_phdr[i].p_type == PT_DYNAMIC)
      dynamic = (const void *)(library->dlpi_addr + library->dlpi_phdr[i].p_vaddr);
  if (!dynamic) return 0;
  search->has_dynamic = true;
  const ElfW(Sym) *symbols = NULL;
  const char *strings = NULL;
  const ElfW(Rela) *tables[2] = {NULL, NULL};
  size_t sizes[2] = {0, 0};
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    switch (dynamic->d_tag) {
      case DT_SYMTAB: symbols = address_in(library, dynamic->d_un.d_ptr); break;
      case DT_STRTAB: strings = address_in(library, dynamic->d_un.d_ptr); break;
      case DT_JMPREL: tables[0] = address_in(library, dynamic->d_un.d_ptr); break;
      case DT_PLTRELSZ: sizes[0] = dynamic->d_un.d_val / sizeof(ElfW(Rela)); break;
      case DT_RELA: tables[1] = address_in(library, dynamic->d_un.d_ptr); break;
      case DT_RELASZ: sizes[1] = dynamic->d_un.d_val / sizeof(ElfW(Rela)); break;
      default: break;
    }
  }
  if (!symbols || !strings) return 0;
  for (int table = 0; table < 2; table++) {
    for (size_t i = 0; tables[table] && i < sizes[table]; i++) {
      const ElfW(Rela) *entry = &tables[table][i];
#if defined(__x86_64__)
      unsigned type = ELF64_R_TYPE(entry->r_info);
      if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
#elif defined(__aarch64__)
      unsigned type = ELF64_R_TYPE(entry->r_info);
      if (type != R_AARCH64_JUMP_SLOT && type != R_AARCH64_GLOB_DAT) continue;
#endif
      const ElfW(Sym) *symbol = &symbols[ELF64_R_SYM(entry->r_info)];
      if (strcmp(strings + symbol->st_name, search->covered->name) != 0) continue;
      const void *bound = *(const void *const *)(library->dlpi_addr + entry->r_offset);
      // Not bound yet (lazily, at the first call): it leads back into the library itself, and then through the lookup.
      if (bound == search->covered->address || contains(library, bound)) continue;
      search->is_bypassed = true;
      snprintf(search->who, search->capacity, "%s", *library->dlpi_name ? library->dlpi_name : "the program");
      return 1;
    }
  }
  return 0;
}

int swiftlet_interpose_binding(const swiftlet_covered *covered, char *who, size_t capacity) {
  if (capacity > 0) *who = 0;
  // What libc keeps for old programs only, no other one is bound to.
  void *original = covered->sanitizer ? (void *)covered->sanitizer : dlsym(RTLD_NEXT, covered->name);
  if (!original) return SWIFTLET_NO_ORIGINAL;
  void *first = dlsym(RTLD_DEFAULT, covered->name);
  if (first != covered->address) {
    Dl_info place;
    if (first && dladdr(first, &place) && place.dli_fname) snprintf(who, capacity, "%s", place.dli_fname);
    return SWIFTLET_NOT_FIRST;
  }
  search search = {.covered = covered, .who = who, .capacity = capacity};
  dl_iterate_phdr(look_at, &search);
  return search.is_bypassed ? SWIFTLET_BYPASSED : SWIFTLET_BOUND;
}

static int has_dynamic(struct dl_phdr_info *library, size_t size, void *argument) {
  (void)size;
  for (int i = 0; i < library->dlpi_phnum; i++)
    if (library->dlpi_phdr[i].p_type == PT_INTERP) *(bool *)argument = true;
  return 1;
}

bool swiftlet_interpose_is_dynamic(void) {
  bool is_dynamic = false;
  dl_iterate_phdr(has_dynamic, &is_dynamic);
  return is_dynamic;
}
