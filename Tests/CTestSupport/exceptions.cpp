#include "CTestSupport.h"

#include <exception>
#include <stdexcept>
#include <string>

int test_rethrow_after(int tag, void (*callback)(void *), void *argument) {
  try {
    throw std::runtime_error(std::to_string(tag));
  } catch (...) {
    callback(argument);
    try {
      throw;
    } catch (const std::runtime_error &error) {
      return std::stoi(error.what());
    }
  }
}

unsigned test_uncaught_exceptions(void) { return (unsigned)std::uncaught_exceptions(); }
