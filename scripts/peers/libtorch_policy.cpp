// How long libtorch takes for a policy of dense layers: `libtorch_policy INPUTS HIDDEN OUTPUTS ROWS` prints the least microseconds of a call and of a
// row, over seven tries, in inference mode and one thread.

#include <torch/torch.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

int main(int arguments, char **argument) {
    if (arguments != 5) return std::fprintf(stderr, "usage: libtorch_policy INPUTS HIDDEN OUTPUTS ROWS\n"), 1;
    const long inputs = std::atol(argument[1]), hidden = std::atol(argument[2]), outputs = std::atol(argument[3]);
    const long rows = std::atol(argument[4]), calls = 20000 / rows + 2;
    const torch::InferenceMode inference;
    at::set_num_threads(1);
    const auto w1 = torch::randn({hidden, inputs}), b1 = torch::randn({hidden});
    const auto w2 = torch::randn({hidden, hidden}), b2 = torch::randn({hidden});
    const auto w3 = torch::randn({outputs, hidden}), b3 = torch::randn({outputs});
    const auto x = torch::randn({rows, inputs});
    double least = 1e9;
    for (int attempt = 0; attempt < 7; attempt++) {
        const auto start = std::chrono::steady_clock::now();
        for (long i = 0; i < calls; i++) {
            const auto y = at::linear(at::tanh(at::linear(at::tanh(at::linear(x, w1, b1)), w2, b2)), w3, b3);
            if (!y.defined()) return 1;
        }
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        least = std::min(least, seconds.count() / calls);
    }
    std::printf("%ld rows: %.3f us a call, %.3f us a row\n", rows, 1e6 * least, 1e6 * least / rows);
}
