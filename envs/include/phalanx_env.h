/*
 * phalanx_env.h: an environment of Phalanx as a shared library, in C, C++ or any language with a C interface.
 *
 * A library has one function, phalanx_env(), which returns a table of functions. Phalanx opens the library by its path,
 *
 *     phalanx train config.yaml --set env.name=dylib:path/to/libmyenv.so
 *
 * makes as many environments as the batch has rows, and calls them through the table. Build with -shared -fPIC;
 * envs/examples/c/ has a whole environment in C, one in C++, and one of several fields.
 *
 * Rules
 *   - The calls for one environment never overlap. Other environments of the library live in the same process and may be
 *     called in between, or by other threads: keep all state in the environment, none in global variables.
 *   - After reset with a seed, everything depends on that seed and the actions alone: Phalanx trains with the same numbers
 *     on any number of workers, and resumes runs, because of it. `phalanx envs check dylib:...` looks for slips.
 *   - Functions that return int32_t return 0 when all is well. Any other number is a failure; Phalanx then calls error() and
 *     shows its text to the user, with row, seed, step and action.
 *   - No exception and no longjmp leaves a function. A crash ends the worker process and nothing else.
 *   - Pointers that Phalanx passes are valid during the call. They are never null unless noted, and aligned for what
 *     they point to.
 */
#ifndef PHALANX_ENV_H
#define PHALANX_ENV_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this interface. Libraries that were built with version 1 still run. */
#define PHALANX_ABI 2

/* Kinds of spaces. What an action of each kind points to: */
#define PHALANX_DISCRETE 0       /* one int64_t in 0..sizes[0]-1 */
#define PHALANX_MULTI_DISCRETE 1 /* count int64_t, the i-th in 0..sizes[i]-1 */
#define PHALANX_BOX_F32 2        /* float, as many as the product of the sizes, row-major, within the bounds */
#define PHALANX_BOX_U8 3         /* uint8_t, likewise, for pixels; for observations only */
#define PHALANX_MULTI_BINARY 4   /* sizes[0] int64_t, each 0 or 1 */
#define PHALANX_BOX_F64 5        /* double, likewise; for observations only */
#define PHALANX_DICT 6           /* count parts with names: see below */
#define PHALANX_TUPLE 7          /* count parts */

/*
 * Observations of several fields: those of the parts, one after the other, each at the next multiple of 8 bytes, as the members of a struct
 * whose members are _Alignas(8). In an observation a choice is a float (its index) and a bit a uint8_t. A part of a Dict with the name
 * "action_mask" is a mask: it has a number for each option of the action's choices, in their order, 0 where the option is illegal and 1 where
 * it is legal.
 *
 * Actions of several fields: first the int64_t of all choices and bits in the order of the parts, then the floats of all boxes.
 */

/* Where observations or actions come from. */
typedef struct phalanx_space {
    int32_t kind;
    uint32_t count;        /* how many sizes there are: 1 for PHALANX_DISCRETE, axes of a box (0 for a scalar); or parts */
    const uint32_t *sizes; /* numbers of choices or bits, or lengths of axes */
    uint32_t bounds;       /* how many lower and upper bounds a box has: one for each element, or 1 for all, or 0 for
                              none, which is -infinity..infinity for floats and 0..255 for bytes */
    const float *low;
    const float *high;
    const char *const *names;          /* of the parts of a PHALANX_DICT */
    const struct phalanx_space *parts; /* of a PHALANX_DICT or PHALANX_TUPLE */
} phalanx_space;

/* How a step left its episode. */
#define PHALANX_RUNNING 0
#define PHALANX_TERMINATED 1 /* the task ended it: nothing follows that could bring reward */
#define PHALANX_TRUNCATED 2  /* it was cut off, by a time limit for example */

/* What call() returns for an unknown name. */
#define PHALANX_NO_METHOD (-1)

typedef struct phalanx_env_functions {
    uint32_t abi;        /* PHALANX_ABI */
    uint32_t size;       /* sizeof(phalanx_env_functions) */
    uint32_t space_size; /* sizeof(phalanx_space) */

    /* Makes an environment and stores it in *env. `params` are the `params` of the configuration as a JSON object, "{}" when
       there are none. On failure *env stays as it is, and error(NULL) returns why. */
    int32_t (*create)(const char *params, void **env);

    /* Ends an environment and frees its memory. */
    void (*destroy)(void *env);

    /* Where observations and actions come from; read once after create. Valid until the next call for this environment. */
    const phalanx_space *(*observation_space)(void *env);
    const phalanx_space *(*action_space)(void *env);

    /* Starts an episode and writes its first observation. `seed` is NULL when the generator is to go on. */
    int32_t (*reset)(void *env, const uint64_t *seed, void *observation);

    /* Takes one step: writes the observation after it, the reward and how the step left the episode. */
    int32_t (*step)(void *env, const void *action, void *observation, float *reward, int32_t *episode);

    /* What went wrong in the call that failed last, UTF-8; NULL when there is no message. `env` is NULL after create. Valid
       until the next call for this environment. */
    const char *(*error)(void *env);

    /* Optional, may be NULL: draws the present state. Writes width and height in pixels and, unless `rgb` is NULL, 3 * width *
       height bytes, row-major from the top left. It is called with NULL first, to learn the size. */
    int32_t (*render)(void *env, uint32_t *width, uint32_t *height, uint8_t *rgb);

    /* Optional, may be NULL: calls a method or reads an attribute by name. `arguments` is JSON, and so is the text that it stores
       in *answer, valid until the next call for this environment. PHALANX_NO_METHOD when there is none of this name.
       After the last step of an episode the name is "info", with null for arguments: numbers and truth values of the object that
       answers it are logged, a "success" as a success rate. The name "units" asks for the units of numbers, by field:
       {"observation": ["m", "m/s"], "action": "N"}; they are written into policy files. */
    int32_t (*call)(void *env, const char *name, const char *arguments, const char **answer);
} phalanx_env_functions;

/* The library's own: returns the table, which stays valid as long as the library is loaded. */
const phalanx_env_functions *phalanx_env(void);

#ifdef __cplusplus
}
#endif

#endif
