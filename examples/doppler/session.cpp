// SPDX-License-Identifier: MIT
#include "session.hpp"

#include <charconv>

#include <umsrep/io/safetensors.hpp>

#include "state.hpp"

namespace doppler {

namespace {

int size_of(const std::filesystem::path& file) {
    const auto weights = umsrep::io::safetensors::read(file);
    const auto& notes = weights.metadata();
    const auto found = notes.find(size_note);
    if (found == notes.end())
        throw umsrep::file_error(file.string(), "a model of doppler train", "a safetensors file without 'doppler.size'");
    int size = 0;
    const auto [end, failure] = std::from_chars(found->second.data(), found->second.data() + found->second.size(), size);
    const bool whole = failure == std::errc{} && end == found->second.data() + found->second.size();
    if (!whole || size < 32 || size > 1024 || size % size_multiple != 0)
        throw umsrep::file_error(file.string() + ": doppler.size", "a multiple of 16 from 32 to 1024", "'" + found->second + "'");
    return size;
}

} // namespace

session::session(int size, std::uint64_t seed, const computing& by) {
#if defined(EXAMPLES_WITH_CUDA)
    if (by.device == "cuda") state_ = network_on_cuda(size, seed, by.threads, by.plans);
#endif
    if (by.device == "cpu") state_ = network_on_cpu(size, seed, by.threads);
    if (!state_) throw umsrep::option_error("device", "cpu, or cuda where the program has it", "'" + by.device + "'");
}
session::session(std::unique_ptr<state> s) : state_{std::move(s)} {}
session::~session() = default;
session::session(session&&) noexcept = default;

session session::open(const std::filesystem::path& file, const computing& by) {
    session opened{size_of(file), 0, by};
    opened.state_->load(file);
    return opened;
}

int session::size() const { return state_->image().h; }
umsrep::shape session::image() const { return state_->image(); }
std::string session::computed_by() const { return state_->computed_by(); }
std::vector<umsrep::data::head_spec> session::targets() const { return state_->targets(); }
predictions session::predict(const xt::xtensor<float, 4>& images) { return state_->predict(images); }
umsrep::history session::train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid) {
    return state_->train(how, samples, valid);
}
void session::save(const std::filesystem::path& file) const { state_->save(file); }

} // namespace doppler
