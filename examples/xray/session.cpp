// SPDX-License-Identifier: MIT
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <utility>

#include <umsrep/graph/count.hpp>
#include <umsrep/io/weights.hpp>

#include "state.hpp"

namespace xray {

namespace {

constexpr std::string_view format = "1"; ///< of the notes in a model file

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
    return text;
}

std::vector<std::string> parts(std::string_view text) {
    std::vector<std::string> names;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(','), text.size());
        names.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return names;
}

umsrep::io::notes notes_of(const description& d) {
    return {{"xray.format", std::string{format}},     {"xray.size", std::to_string(d.size)},
            {"xray.classes", joined(class_names)},    {"xray.strategy", d.strategy},
            {"xray.encoder", d.encoder},              {"xray.seed", std::to_string(d.seed)},
            {"xray.heads", joined(d.heads)}};
}

class notes_reader {
public:
    notes_reader(const umsrep::io::notes& notes, std::string file) : notes_{notes}, file_{std::move(file)} {}

    const std::string& text(const std::string& key) const {
        const auto found = notes_.find(key);
        if (found == notes_.end()) throw umsrep::file_error(file_, "a model of xray train", "a safetensors file without '" + key + "'");
        return found->second;
    }
    const std::string& one_of(const std::string& key, const std::vector<std::string>& known) const {
        const std::string& value = text(key);
        if (std::ranges::find(known, value) == known.end()) throw umsrep::file_error(file_ + ": " + key, "one of " + joined(known), "'" + value + "'");
        return value;
    }
    template <class T>
    T number(const std::string& key) const {
        const std::string& value = text(key);
        T result{};
        const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), result);
        if (failure != std::errc{} || end != value.data() + value.size()) throw umsrep::file_error(file_ + ": " + key, "a number", "'" + value + "'");
        return result;
    }
    void require(const std::string& key, std::string_view wanted) const {
        if (text(key) != wanted) throw umsrep::file_error(file_ + ": " + key, "'" + std::string{wanted} + "'", "'" + text(key) + "'");
    }

private:
    const umsrep::io::notes& notes_;
    std::string file_;
};

description description_of(const umsrep::io::notes& notes, const std::string& file) {
    const notes_reader read{notes, file};
    read.require("xray.format", format);
    read.require("xray.classes", joined(class_names));
    description d{read.number<int>("xray.size"), read.one_of("xray.strategy", strategy_names), read.one_of("xray.encoder", encoder_names),
                  read.number<std::uint64_t>("xray.seed"), parts(read.text("xray.heads"))};
    for (const std::string& head : d.heads)
        if (std::ranges::find(head_names, head) == head_names.end())
            throw umsrep::file_error(file + ": xray.heads", "some of denoise, lungs, finding", "'" + head + "'");
    if (d.size < size_multiple || d.size > 4096 || d.size % size_multiple != 0)
        throw umsrep::file_error(file + ": xray.size", "a multiple of " + std::to_string(size_multiple), std::to_string(d.size));
    return d;
}

/// A run that diverged leaves such weights; nothing computed with them means anything.
void refuse_not_finite(const umsrep::io::safetensors& weights, const std::string& file) {
    for (const std::string& name : weights.names())
        if (const auto values = weights.values<float>(name); !std::ranges::all_of(values, [](float v) { return std::isfinite(v); }))
            throw umsrep::file_error(file + ": tensor '" + name + "'", "finite numbers", "NaN or infinity");
}

bool one_model_per_task(const description& d) {
    return d.strategy == "separate" || (d.strategy == "independent" && d.encoder != "frozen");
}

/// In a file with one model per task, its name and a slash stand before the names of its tensors.
std::string prefix_of(std::size_t head) { return std::string{head_names[head]} + "/"; }

} // namespace

bool description::trains(std::string_view head) const { return std::ranges::find(heads, head) != heads.end(); }

session::session(int size, std::uint64_t seed, const computing& by) {
#if defined(EXAMPLES_WITH_CUDA)
    if (by.device == "cuda") state_ = networks_on_cuda(size, seed, by.threads, by.plans);
#endif
    if (by.device == "cpu") state_ = networks_on_cpu(size, seed, by.threads);
    if (!state_) throw umsrep::option_error("device", "cpu, or cuda where the program has it", "'" + by.device + "'");
}
session::session(std::unique_ptr<state> s) : state_{std::move(s)} {}
session::~session() = default;
session::session(session&&) noexcept = default;

session session::open(const std::filesystem::path& file, const computing& by, description& what) {
    const auto weights = umsrep::io::safetensors::read(file);
    what = description_of(weights.metadata(), file.string());
    refuse_not_finite(weights, file.string());
    session opened{what.size, what.seed, by};
    if (one_model_per_task(what)) opened.state_->load_tasks(file, {prefix_of(0), prefix_of(1), prefix_of(2)});
    else opened.state_->load(file);
    return opened;
}

umsrep::shape session::image() const { return state_->image(); }

std::vector<umsrep::data::head_spec> session::targets() const { return state_->targets(); }

std::string session::computed_by() const { return state_->computed_by(); }

cost session::costs() const {
    const umsrep::graph& g = state_->network();
    const auto plan = umsrep::make_plan(g, umsrep::infer::value(g.stage_count()), umsrep::dense_float::storage);
    cost c{g.parameters, umsrep::macs(g, plan)};
    if (state_->models() == 1) return c;
    std::int64_t encoder_parameters = 0, encoder_macs = 0;
    for (const umsrep::node& n : g.nodes)
        if (n.owner < g.stage_count()) {
            encoder_parameters += n.weight.size + n.bias.size;
            encoder_macs += umsrep::macs(n);
        }
    const auto more = static_cast<std::int64_t>(state_->models() - 1); // each task's model has the encoder and its own head
    return {c.parameters + more * encoder_parameters, c.macs + more * encoder_macs};
}

predictions session::predict(const xt::xtensor<float, 4>& images) { return state_->predict(images); }

void session::load_encoder(const std::filesystem::path& weights) { state_->load_encoder(weights); }

std::vector<umsrep::history> session::train(const training& how, umsrep::data::loader& samples, umsrep::data::loader& valid) {
    return state_->train(how, samples, valid);
}

void session::save(const std::filesystem::path& file, const description& what) const {
    umsrep::io::safetensors weights;
    weights.metadata() = notes_of(what);
    for (std::size_t h = 0; h < state_->models(); ++h)
        for (const stored_tensor& t : state_->tensors(h)) {
            const bool own = t.name.starts_with("encoder.") || t.name.starts_with(std::string{head_names[h]} + ".");
            if (state_->models() == 1) weights.add(t.name, t.shape, std::span<const float>(t.values));
            else if (own) weights.add(prefix_of(h) + t.name, t.shape, std::span<const float>(t.values));
        }
    weights.write(file);
}

std::filesystem::path checkpoint_file(const std::filesystem::path& folder, std::string_view task) {
    return folder / ("checkpoint" + (task.empty() ? "" : "." + std::string{task}) + ".safetensors");
}

} // namespace xray
