// A policy in TensorFlow Lite Micro on a Cortex-M4F: instructions of an invoke, memory, and with less code for its size.
#include <cstdint>

#include "tensorflow/lite/micro/kernels/micro_ops.h"
#include "tensorflow/lite/micro/micro_error_reporter.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" const unsigned char model[];

// Calls the host: 4 prints text, 0x18 ends.
static void host(int what, const void* with) {
  register int r0 asm("r0") = what;
  register const void* r1 asm("r1") = with;
  asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(const char* name, uint32_t number) {
  char text[16];
  int i = 15;
  text[i] = 0;
  text[--i] = '\n';
  do {
    text[--i] = '0' + number % 10;
    number /= 10;
  } while (number);
  host(4, name);
  host(4, text + i);
}

extern "C" void DebugLog(const char*) {}

alignas(16) static uint8_t arena[8192];

int main() {
  static tflite::MicroErrorReporter reporter;
  static tflite::MicroMutableOpResolver<3> ops(&reporter);
  ops.AddBuiltin(tflite::BuiltinOperator_FULLY_CONNECTED, tflite::ops::micro::Register_FULLY_CONNECTED());
  ops.AddBuiltin(tflite::BuiltinOperator_TANH, tflite::ops::micro::Register_TANH());
  ops.AddBuiltin(tflite::BuiltinOperator_ARG_MAX, tflite::ops::micro::Register_ARG_MAX());
  static tflite::MicroInterpreter interpreter(tflite::GetModel(model), ops, arena, sizeof arena, &reporter);
  if (interpreter.AllocateTensors() != kTfLiteOk) host(0x18, reinterpret_cast<void*>(0x20024));
  const float observation[4] = {0.01f, -0.02f, 0.03f, 0.04f};
  for (int i = 0; i < 4; i++) interpreter.input(0)->data.f[i] = observation[i];
#ifdef MEASURE
  // Words below the stack that are still as they were painted were not used.
  const uint32_t paint = 0xA5A5A5A5;
  uint32_t here, *low = reinterpret_cast<uint32_t*>(0x203F0000);
  for (uint32_t* word = low; word < &here - 16; word++) *word = paint;
  if (interpreter.Invoke() != kTfLiteOk) host(0x18, reinterpret_cast<void*>(0x20024));
  while (*low == paint) low++;
  print("bytes of stack: ", 0x20400000 - reinterpret_cast<uint32_t>(low));
  print("bytes of arena: ", interpreter.arena_used_bytes());
  print("bytes of the interpreter: ", sizeof interpreter + sizeof ops + sizeof reporter);
  // The board's clock has 25 MHz: 40 instructions a tick where QEMU counts one in a nanosecond.
  volatile uint32_t* timer = reinterpret_cast<volatile uint32_t*>(0xE000E010);
  timer[1] = 0xFFFFFF;
  timer[2] = 0;
  timer[0] = 5;
  const uint32_t begin = timer[2];
  for (int i = 0; i < 100; i++) interpreter.Invoke();
  print("instructions of an invoke: ", ((begin - timer[2]) & 0xFFFFFF) * 40 / 100);
  host(0x18, reinterpret_cast<void*>(0x20026));
#endif
  for (;;) interpreter.Invoke();
}
