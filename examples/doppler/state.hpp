// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "session.hpp"

namespace doppler {

inline constexpr const char* size_note = "doppler.size"; ///< in a model file

/// The model of a session on whatever computes it: network_on<Backend>.
class session::state {
public:
    virtual ~state() = default;
    virtual umsrep::shape image() const = 0;
    virtual std::string computed_by() const = 0;
    virtual std::vector<umsrep::data::head_spec> targets() const = 0;
    virtual predictions predict(const xt::xtensor<float, 4>& images) = 0;
    virtual umsrep::history train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid) = 0;
    virtual void load(const std::filesystem::path& file) = 0;
    virtual void save(const std::filesystem::path& file) const = 0;
};

std::unique_ptr<session::state> network_on_cpu(int size, std::uint64_t seed, int threads);
std::unique_ptr<session::state> network_on_cuda(int size, std::uint64_t seed, int threads, const std::string& plans);

} // namespace doppler
