// What runs before main() on a Cortex-M4F.
#include <cstdint>
#include <cstring>

extern "C" {
extern uint32_t data_in_flash, data_start, data_end, bss_start, bss_end;
void __libc_init_array();
void _init() {}
void _fini() {}
void* __dso_handle = nullptr;
int main();

void reset() {
  // The floating-point unit.
  *reinterpret_cast<volatile uint32_t*>(0xE000ED88) |= 0xF << 20;
  asm volatile("dsb\nisb");
  std::memcpy(&data_start, &data_in_flash, 4 * (&data_end - &data_start));
  std::memset(&bss_start, 0, 4 * (&bss_end - &bss_start));
  __libc_init_array();
  main();
  for (;;) {
  }
}

void fault() {
  for (;;) {
  }
}

// The stack, the start, and faults.
__attribute__((section(".vectors"), used)) const void* vectors[7] = {
    reinterpret_cast<void*>(0x20400000), reinterpret_cast<void*>(reset), reinterpret_cast<void*>(fault),
    reinterpret_cast<void*>(fault),      reinterpret_cast<void*>(fault), reinterpret_cast<void*>(fault),
    reinterpret_cast<void*>(fault)};
}
