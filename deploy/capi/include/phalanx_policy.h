/* Policy files of Phalanx, for C and C++. Written by cbindgen from deploy/capi/src; docs/deploy.md explains it.

   A handle belongs to one thread at a time; different handles may be used by different threads at once. Functions that can fail return 0 where
   they succeed, or one of the codes below, and phalanx_policy_error has the message. */

#ifndef PHALANX_POLICY_H
#define PHALANX_POLICY_H

#include <stddef.h>
#include <stdint.h>

// What a function returns.
typedef enum {
  // It succeeded.
  PHALANX_CODE_OK = 0,
  // A pointer is null, a row does not exist, or the policy has other inputs.
  PHALANX_CODE_ARGUMENT = 1,
  // The file cannot be read, is none, is damaged, or has no standard deviations to draw numbers with.
  PHALANX_CODE_FILE = 2,
  // A mask leaves no legal option.
  PHALANX_CODE_MASK = 3,
  // The self test found another action than the recorded one.
  PHALANX_CODE_SELFTEST = 4,
  // A fault of this library.
  PHALANX_CODE_FAULT = 5,
} PhalanxCode;

// An open policy.
typedef struct PhalanxPolicy PhalanxPolicy;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Opens a policy file; null where it cannot be used, and phalanx_policy_error has the reason. To be closed by phalanx_policy_close.
//
// # Safety
// `path` is a string that ends with a null byte.
PhalanxPolicy *phalanx_policy_open(const char *path);

// Opens a policy file in memory, which is copied; null where it cannot be used.
//
// # Safety
// `bytes` points to `len` bytes.
PhalanxPolicy *phalanx_policy_open_memory(const uint8_t *bytes, size_t len);

// Closes a policy; null is nothing.
//
// # Safety
// `policy` was opened here and is not used again.
void phalanx_policy_close(PhalanxPolicy *policy);

// Message of this thread's last failure, until its next one; empty where there was none.
const char *phalanx_policy_error(void);

// Description of the policy in JSON: the environment, and name, type, shape and bounds of each part of an observation and an action. It lives as long
// as the policy.
//
// # Safety
// `policy` is an open policy; as of all functions below.
const char *phalanx_policy_description(const PhalanxPolicy *policy);

// Number of inputs: parts of an observation.
//
// # Safety
// As above.
size_t phalanx_policy_inputs(const PhalanxPolicy *policy);

// Elements of an input; 0 where there is none of this number.
//
// # Safety
// As above.
size_t phalanx_policy_input_len(const PhalanxPolicy *policy, size_t input);

// 1 where an input has bytes, 0 where it has floats.
//
// # Safety
// As above.
int32_t phalanx_policy_input_is_bytes(const PhalanxPolicy *policy, size_t input);

// Numbers of an action: one for each choice, each bit and each element of a box.
//
// # Safety
// As above.
size_t phalanx_policy_action_len(const PhalanxPolicy *policy);

// Seconds from one action to the next, as the file has them; 0 where they are not known.
//
// # Safety
// As above.
float phalanx_policy_time_step(const PhalanxPolicy *policy);

// Gives a recurrent policy `rows` hidden states, all at the start of an episode; there is one at first.
//
// # Safety
// As above.
int32_t phalanx_policy_set_rows(PhalanxPolicy *policy,
                                size_t rows);

// Begins an episode in a row: its hidden state becomes zero.
//
// # Safety
// As above.
int32_t phalanx_policy_reset(PhalanxPolicy *policy, size_t row);

// Takes the most probable actions of the rows 0 to `rows` − 1, as an environment is given them. `observation` has a pointer for each input, to
// `rows` times its elements: float, or uint8_t where it has bytes. `action` has room for `rows` times the numbers of an action.
//
// # Safety
// As above, and the pointers point to as many elements.
int32_t phalanx_policy_act(PhalanxPolicy *policy,
                           size_t rows,
                           const void *const *observation,
                           float *action);

// The same for a policy with one input of floats, which are given in 64 bits, as is the action.
//
// # Safety
// As above.
int32_t phalanx_policy_act_f64(PhalanxPolicy *policy,
                               size_t rows,
                               const double *observation,
                               double *action);

// As phalanx_policy_act, with actions that are drawn. `random` is the state of a generator, which any number may be at first: the same state gives the
// same actions. `log_prob` has room for the log probability, in nats, of each row's action: as in training that of options and bits, and the log
// density of numbers before they are scaled and put within their bounds; of squashed ones that of the action itself.
//
// # Safety
// As above.
int32_t phalanx_policy_sample(PhalanxPolicy *policy,
                              size_t rows,
                              const void *const *observation,
                              uint64_t *random,
                              float *action,
                              float *log_prob);

// The same for a policy with one input of floats, which are given in 64 bits, as are the action and its log probability.
//
// # Safety
// As above.
int32_t phalanx_policy_sample_f64(PhalanxPolicy *policy,
                                  size_t rows,
                                  const double *observation,
                                  uint64_t *random,
                                  double *action,
                                  double *log_prob);

// Takes the actions that were recorded in the file again, and begins an episode in each row.
//
// # Safety
// As above.
int32_t phalanx_policy_selftest(PhalanxPolicy *policy);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PHALANX_POLICY_H */
