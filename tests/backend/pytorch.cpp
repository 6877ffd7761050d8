// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include <tests/backend/operation.hpp>
#include <tests/support/fixture.hpp>

using namespace umsrep;
using namespace umsrep::test;

namespace {

const std::map<std::string, op> operations{
    {"conv", op::conv}, {"conv_transpose", op::conv_transpose}, {"batch_norm", op::batch_norm}, {"group_norm", op::group_norm}, {"relu", op::relu},
    {"leaky_relu", op::leaky_relu}, {"gelu", op::gelu}, {"silu", op::silu}, {"sigmoid", op::sigmoid}, {"softmax", op::softmax},
    {"max_pool", op::max_pool}, {"avg_pool", op::avg_pool}, {"global_avg_pool", op::global_avg_pool}, {"upsample_nearest", op::upsample_nearest},
    {"upsample_bilinear", op::upsample_bilinear}, {"linear", op::linear}, {"concat", op::concat}, {"add", op::add},
};

shape sample(const std::vector<std::size_t>& s) { return {static_cast<int>(s[1]), static_cast<int>(s[2]), static_cast<int>(s[3])}; }

template <class T>
void check_against_pytorch(double tolerance) {
    const io::safetensors file = fixture("ops");
    std::set<std::string> names, seen;
    for (const std::string& tensor : file.names()) names.insert(tensor.substr(0, tensor.find('/')));
    for (const std::string& name : names) {
        INFO(name);
        const auto has = [&](const char* part) { return file.contains(name + "/" + part); };
        const auto values = [&](const char* part) { return file.values<T>(name + "/" + part); };
        const std::string operation_name = name.substr(0, name.find(':'));
        seen.insert(operation_name);

        node n;
        n.kind = operations.at(operation_name);
        n.in = sample(file.shape(name + "/in0"));
        n.out = sample(file.shape(name + "/out"));
        const auto a = file.values<std::int64_t>(name + "/attributes");
        const auto number = [&](std::size_t i) { return static_cast<int>(a.at(i)); };
        n.a = {.kernel = {number(0), number(1)}, .stride = {number(2), number(3)}, .padding = {number(4), number(5)}, .dilation = {number(6), number(7)},
               .output_padding = {number(8), number(9)}, .groups = number(10), .bias = has("bias"), .count_include_pad = number(11) != 0,
               .value = file.values<double>(name + "/value").at(0)};
        if (has("weight")) n.weight.size = static_cast<std::ptrdiff_t>(values("weight").size());
        if (has("bias")) n.bias.size = static_cast<std::ptrdiff_t>(values("bias").size());

        operation<T> op(n, static_cast<int>(file.shape(name + "/in0").at(0)), 1, 2);
        op.o.batch_statistics = number(12) != 0;
        const auto give = [&](const char* part, std::vector<T>& to) {
            if (!has(part)) return;
            const std::vector<T> from = values(part);
            REQUIRE(from.size() == to.size());
            std::copy(from.begin(), from.end(), to.begin());
        };
        give("in0", op.in[0]);
        give("in1", op.in[1]);
        give("weight", op.weight);
        give("bias", op.bias);
        give("running_mean", op.running_mean);
        give("running_var", op.running_var);
        give("grad_out", op.grad_out);
        op.forward();
        op.backward();
        const auto check = [&](const char* part, const std::vector<T>& got) {
            if (!has(part)) return;
            INFO(part);
            CHECK(relative_error(got, values(part)) <= tolerance);
        };
        check("out", op.out);
        check("grad_in0", op.grad_in[0]);
        check("grad_in1", op.grad_in[1]);
        check("grad_weight", op.grad_weight);
        check("grad_bias", op.grad_bias);
        check("running_mean_after", op.running_mean);
        check("running_var_after", op.running_var);
    }
    CHECK(seen.size() == operations.size());
}

} // namespace

TEST_CASE("float agrees with PyTorch in every operation, forward and backward, to 1e-5") { check_against_pytorch<float>(1e-5); }

TEST_CASE("double agrees with PyTorch in every operation to the fixture's float rounding") { check_against_pytorch<double>(1e-7); }
