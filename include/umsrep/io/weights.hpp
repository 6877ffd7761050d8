// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <umsrep/io/safetensors.hpp>
#include <umsrep/model.hpp>

namespace umsrep::io {

/// Free text that travels with the weights: what the network was trained for and on.
using notes = std::map<std::string, std::string>;

namespace detail {

inline std::string dims(const std::vector<std::size_t>& shape) {
    std::string text = "[";
    for (const std::size_t d : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(d);
    return text + "]";
}

/// "first, second, ... (7 in all)"
inline std::string some(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 3); ++i) text += (i > 0 ? ", " : "") + names[i];
    return names.size() > 3 ? text + ", ... (" + std::to_string(names.size()) + " in all)" : text;
}

inline bool belongs(std::string_view name, std::string_view part) {
    return part.empty() || (name.size() > part.size() && name.starts_with(part) && name[part.size()] == '.');
}

/// Copies the tensors of `part` out of the file. All or nothing: whatever differs is reported before anything is written.
template <class Model>
void copy_weights(const safetensors& file, const std::string& where, Model& m, std::string_view part, const std::string& prefix) {
    using T = typename Model::scalar;
    std::vector<std::string> missing, unexpected, differing;
    std::vector<std::string> wanted;
    auto tensors = m.tensors();
    for (const auto& t : tensors) {
        if (!belongs(t.name, part)) continue;
        const std::string name = prefix + t.name;
        wanted.push_back(name);
        if (!file.contains(name)) missing.push_back(name);
        else if (file.shape(name) != t.shape)
            differing.push_back(name + " (expected " + dims(t.shape) + ", got " + dims(file.shape(name)) + ")");
    }
    std::sort(wanted.begin(), wanted.end());
    for (const std::string& name : file.names()) {
        const std::string_view inner = std::string_view(name).starts_with(prefix) ? std::string_view(name).substr(prefix.size()) : "";
        if (inner.empty() || !belongs(inner, part) || inner.ends_with(".num_batches_tracked")) continue; // PyTorch's counter
        if (!std::binary_search(wanted.begin(), wanted.end(), name)) unexpected.push_back(name);
    }
    std::string report;
    const auto add = [&](const char* what, const std::vector<std::string>& names) {
        if (!names.empty()) report += (report.empty() ? "" : "; ") + std::string(what) + some(names);
    };
    add("missing ", missing);
    add("of another shape ", differing);
    add("unexpected ", unexpected);
    if (!report.empty()) throw file_error(where + ": weights of another network: " + report);
    if (wanted.empty()) throw option_error("load", "a part of the network", "'" + std::string(part) + "'");

    for (auto& t : tensors) {
        if (!belongs(t.name, part)) continue;
        const std::vector<T> values = file.template values<T>(prefix + t.name);
        std::copy(values.begin(), values.end(), t.values.begin());
    }
}

template <class Model>
void add_weights(safetensors& file, const Model& m, const std::string& prefix) {
    for (const auto& t : m.tensors()) file.add(prefix + t.name, t.shape, t.values);
}

} // namespace detail

/// Writes every parameter and running statistic under its name, atomically. Readable by PyTorch: `load_state_dict(load_file(path))`.
/// Throws file_error naming the file.
template <class Net, class Backend>
void save(const model<Net, Backend>& m, const std::filesystem::path& path, const notes& about = {}) {
    safetensors file;
    file.metadata() = about;
    detail::add_weights(file, m, "");
    file.write(path);
}

template <class Part> struct unknown_part;

/// Reads the weights of a network, or of a part of it: `load<"encoder">(m, path)`, `load<"lungs">(m, path)`. Strict: every tensor of the
/// part must be there with its shape, and none besides; otherwise throws file_error listing what is missing, unexpected or of another
/// shape, and leaves the model as it was. `prefix` stands before the names in the file (a PyTorch module that holds the network).
/// Returns the file's notes.
template <fixed_string Part = "", class Net, class Backend>
notes load(model<Net, Backend>& m, const std::filesystem::path& path, const std::string& prefix = "") {
    constexpr std::string_view part = Part;
    constexpr bool known = part.empty() || part == "encoder" || network_traits<Net>::find_head(part) >= 0 ||
                           (part.starts_with("encoder.") && network_traits<Net>::find_stage(part.substr(8)) >= 0);
    if constexpr (!known) static_assert(umsrep::detail::holds<unknown_part<called<Part>>>);
    const safetensors file = safetensors::read(path);
    detail::copy_weights(file, path.string(), m, part, prefix);
    return file.metadata();
}

} // namespace umsrep::io
