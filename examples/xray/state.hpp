// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <umsrep/graph/graph.hpp>

#include "session.hpp"

namespace xray {

/// Images computed together.
inline constexpr int capacity = 16;

/// A tensor of one of the models.
struct stored_tensor {
    std::string name;
    std::vector<std::size_t> shape;
    std::vector<float> values;
};

/// The models of a session on whatever computes them: networks<Backend>.
class session::state {
public:
    virtual ~state() = default;

    virtual const umsrep::graph& network() const = 0;
    virtual umsrep::shape image() const = 0;
    virtual std::vector<umsrep::data::head_spec> targets() const = 0;
    virtual std::string computed_by() const = 0;
    virtual std::size_t models() const = 0;
    /// Of a model: what a file of it holds.
    virtual std::vector<stored_tensor> tensors(std::size_t model) const = 0;

    virtual predictions predict(const xt::xtensor<float, 4>& images) = 0;
    virtual std::vector<umsrep::history> train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid) = 0;

    /// From a file with one model for all tasks, or with one for each, `prefixes` before the names of their tensors.
    virtual void load(const std::filesystem::path& file) = 0;
    virtual void load_tasks(const std::filesystem::path& file, const std::vector<std::string>& prefixes) = 0;
    virtual void load_encoder(const std::filesystem::path& weights) = 0;
};

std::unique_ptr<session::state> networks_on_cpu(int size, std::uint64_t seed, int threads);
std::unique_ptr<session::state> networks_on_cuda(int size, std::uint64_t seed, int threads, const std::string& plans);

} // namespace xray
