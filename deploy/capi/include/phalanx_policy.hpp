// Policy files of Phalanx, for C++17: a handle that closes itself, and exceptions in place of codes.
#ifndef PHALANX_POLICY_HPP
#define PHALANX_POLICY_HPP

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "phalanx_policy.h"

namespace phalanx {

// A failure; what() has the message of the library.
class Error : public std::runtime_error {
  public:
    explicit Error(int code) : std::runtime_error(phalanx_policy_error()), code(code) {}
    const int code;
};

// Actions of some rows that were drawn, and the log probability of each.
template <typename T> struct Sampled {
    std::vector<T> action;
    std::vector<T> log_prob;
};

class Policy {
  public:
    // Opens a policy file. Throws Error where it cannot be used.
    explicit Policy(const std::string &path) : handle(phalanx_policy_open(path.c_str())) {
        if (!handle) {
            throw Error(PHALANX_CODE_FILE);
        }
    }

    size_t inputs() const { return phalanx_policy_inputs(handle.get()); }
    size_t input_len(size_t input) const { return phalanx_policy_input_len(handle.get(), input); }
    size_t action_len() const { return phalanx_policy_action_len(handle.get()); }
    std::string description() const { return phalanx_policy_description(handle.get()); }

    // Gives a recurrent policy as many hidden states.
    void set_rows(size_t rows) { check(phalanx_policy_set_rows(handle.get(), rows)); }
    // Begins an episode in a row.
    void reset(size_t row = 0) { check(phalanx_policy_reset(handle.get(), row)); }
    void selftest() { check(phalanx_policy_selftest(handle.get())); }

    // The actions of rows whose observations are one array of floats each, in 32 or 64 bits.
    std::vector<float> act(const std::vector<float> &observation) {
        const size_t rows = count(observation.size());
        std::vector<float> action(rows * action_len());
        const void *input = observation.data();
        check(phalanx_policy_act(handle.get(), rows, &input, action.data()));
        return action;
    }
    std::vector<double> act(const std::vector<double> &observation) {
        const size_t rows = count(observation.size());
        std::vector<double> action(rows * action_len());
        check(phalanx_policy_act_f64(handle.get(), rows, observation.data(), action.data()));
        return action;
    }

    // The same with actions that are drawn; random is the state of a generator, which any number may be at first.
    Sampled<float> sample(const std::vector<float> &observation, uint64_t &random) {
        const size_t rows = count(observation.size());
        Sampled<float> drawn{std::vector<float>(rows * action_len()), std::vector<float>(rows)};
        const void *input = observation.data();
        sample(rows, &input, random, drawn.action.data(), drawn.log_prob.data());
        return drawn;
    }
    Sampled<double> sample(const std::vector<double> &observation, uint64_t &random) {
        const size_t rows = count(observation.size());
        Sampled<double> drawn{std::vector<double>(rows * action_len()), std::vector<double>(rows)};
        check(phalanx_policy_sample_f64(handle.get(), rows, observation.data(), &random, drawn.action.data(),
                                        drawn.log_prob.data()));
        return drawn;
    }

    // For observations of several parts: a pointer for each input, as of phalanx_policy_act and phalanx_policy_sample.
    void act(size_t rows, const void *const *observation, float *action) {
        check(phalanx_policy_act(handle.get(), rows, observation, action));
    }
    void sample(size_t rows, const void *const *observation, uint64_t &random, float *action, float *log_prob) {
        check(phalanx_policy_sample(handle.get(), rows, observation, &random, action, log_prob));
    }

  private:
    struct Close {
        void operator()(PhalanxPolicy *policy) const { phalanx_policy_close(policy); }
    };
    std::unique_ptr<PhalanxPolicy, Close> handle;

    static void check(int code) {
        if (code != PHALANX_CODE_OK) {
            throw Error(code);
        }
    }
    size_t count(size_t numbers) const {
        if (inputs() != 1 || numbers % input_len(0) != 0) {
            throw std::invalid_argument("an observation is one array of whole rows");
        }
        return numbers / input_len(0);
    }
};

}  // namespace phalanx

#endif
