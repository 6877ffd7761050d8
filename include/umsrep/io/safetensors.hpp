// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <umsrep/core/error.hpp>
#include <umsrep/io/atomic_file.hpp>
#include <umsrep/io/read_bytes.hpp>

namespace umsrep::io {

static_assert(std::endian::native == std::endian::little, "safetensors stores little-endian numbers");

/// IEEE 754 binary16 from its bits.
inline float from_half(std::uint16_t bits) {
    const int exponent = (bits >> 10) & 31;
    const float mantissa = static_cast<float>(bits & 1023);
    float magnitude = std::ldexp(1024.0f + mantissa, exponent - 25);
    if (exponent == 0) magnitude = std::ldexp(mantissa, -24);
    if (exponent == 31) {
        magnitude = (bits & 1023) != 0 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
    }
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/// bfloat16 (the upper half of a binary32) from its bits.
inline float from_bfloat(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

/// Named tensors in one file, as PyTorch and Hugging Face exchange them.
/// Source: https://huggingface.co/docs/safetensors: u64 header length, JSON header, then the bytes of the tensors without gaps.
class safetensors {
public:
    /// Checks every length, offset and dtype before use. Throws file_error, naming the file (and the tensor) and what is wrong.
    static safetensors read(const std::filesystem::path& path) { return parse(read_bytes(path), path.string()); }

    /// The same from memory; `file` is the name that errors carry.
    static safetensors parse(std::vector<std::byte> bytes, std::string file) {
        safetensors result;
        result.file_ = std::move(file);
        result.bytes_ = std::move(bytes);
        result.parse_header();
        return result;
    }

    std::map<std::string, std::string>& metadata() { return metadata_; }
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

    /// In the order in which they were added, or lie in the file.
    std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const entry& e : entries_) result.push_back(e.name);
        return result;
    }

    bool contains(std::string_view name) const { return index_.find(name) != index_.end(); }
    const std::vector<std::size_t>& shape(std::string_view name) const { return find(name).shape; }
    /// "F32", "I64", ...
    const std::string& dtype(std::string_view name) const { return find(name).dtype; }

    /// The elements in row-major order as `T`. Floats may be rounded; an integer target takes only values that it can hold exactly.
    /// Throws file_error: no such tensor, a dtype that cannot be converted, a value out of range.
    template <class T>
    std::vector<T> values(std::string_view name) const {
        static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>, "safetensors::values<T>: T must be a number type");
        const entry& e = find(name);
        if (e.dtype == "F32") return converted<T, float>(e);
        if (e.dtype == "F64") return converted<T, double>(e);
        if (e.dtype == "F16") return converted<T, std::uint16_t>(e, from_half);
        if (e.dtype == "BF16") return converted<T, std::uint16_t>(e, from_bfloat);
        if (e.dtype == "I64") return converted<T, std::int64_t>(e);
        if (e.dtype == "U64") return converted<T, std::uint64_t>(e);
        if (e.dtype == "I32") return converted<T, std::int32_t>(e);
        if (e.dtype == "U32") return converted<T, std::uint32_t>(e);
        if (e.dtype == "I16") return converted<T, std::int16_t>(e);
        if (e.dtype == "U16") return converted<T, std::uint16_t>(e);
        if (e.dtype == "I8") return converted<T, std::int8_t>(e);
        if (e.dtype == "U8" || e.dtype == "BOOL") return converted<T, std::uint8_t>(e);
        throw file_error(entity(e.name), "a dtype of 8 bits integer or 16 bits float and more", e.dtype);
    }

    /// Throws option_error when the name is taken, shape_mismatch when `values` does not fill `shape`.
    template <class T>
    void add(std::string name, std::vector<std::size_t> shape, std::span<const T> values) {
        constexpr std::string_view type = dtype_of<T>();
        if (name.empty() || name == "__metadata__" || contains(name)) {
            throw option_error("tensor '" + name + "'", "a new name", "one that is taken, reserved or empty");
        }
        const std::optional<std::size_t> count = product(shape);
        if (count != values.size()) {
            throw shape_mismatch("tensor '" + name + "'", "as many values as its shape holds", std::to_string(values.size()));
        }
        const std::span<const std::byte> raw = std::as_bytes(values);
        const std::size_t begin = bytes_.size();
        bytes_.insert(bytes_.end(), raw.begin(), raw.end());
        index_.emplace(name, entries_.size());
        entries_.push_back({std::move(name), std::string{type}, std::move(shape), begin, raw.size()});
    }

    template <class T>
    void add(std::string name, std::vector<std::size_t> shape, const std::vector<T>& values) {
        add(std::move(name), std::move(shape), std::span<const T>{values});
    }

    /// Atomic: the file under this name is the earlier one or the complete new one. Throws file_error.
    void write(const std::filesystem::path& path) const {
        // Wide elements first and a header of a multiple of 8 bytes: every tensor is aligned for readers that map the file.
        std::vector<const entry*> order;
        for (const entry& e : entries_) order.push_back(&e);
        std::ranges::stable_sort(order, std::greater{}, [](const entry* e) { return width(e->dtype).value_or(1); });

        nlohmann::ordered_json header = nlohmann::ordered_json::object();
        if (!metadata_.empty()) header["__metadata__"] = metadata_;
        std::size_t offset = 0;
        for (const entry* e : order) {
            header[e->name] = {{"dtype", e->dtype}, {"shape", e->shape}, {"data_offsets", {offset, offset + e->size}}};
            offset += e->size;
        }
        std::string text;
        try {
            text = header.dump();
        } catch (const nlohmann::json::exception&) {
            throw file_error(path.string() + ": cannot be written: a tensor name or metadata value is not UTF-8");
        }
        text.resize((text.size() + 7) / 8 * 8, ' ');

        atomic_file file{path};
        const std::uint64_t length = text.size();
        file.write(std::as_bytes(std::span{&length, 1}));
        file.write(std::as_bytes(std::span{text}));
        for (const entry* e : order) file.write(raw(*e));
        file.commit();
    }

private:
    struct entry {
        std::string name, dtype;
        std::vector<std::size_t> shape;
        std::size_t begin, size; ///< bytes, in bytes_
    };

    static constexpr std::size_t largest_header = 100'000'000; ///< as in the reference implementation

    static std::optional<std::size_t> width(std::string_view dtype) {
        // clang-format off
        constexpr std::array<std::pair<std::string_view, std::size_t>, 15> known{{
            {"BOOL", 1}, {"U8", 1}, {"I8", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"U16", 2}, {"I16", 2}, {"F16", 2}, {"BF16", 2},
            {"U32", 4}, {"I32", 4}, {"F32", 4}, {"U64", 8}, {"I64", 8}, {"F64", 8}}};
        // clang-format on
        const auto found = std::ranges::find(known, dtype, &std::pair<std::string_view, std::size_t>::first);
        return found == known.end() ? std::nullopt : std::optional{found->second};
    }

    template <class T>
    static constexpr std::string_view dtype_of() {
        static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && sizeof(T) <= 8,
                      "safetensors::add<T>: T must be float, double or an integer of 8 to 64 bits");
        constexpr std::array<std::string_view, 4> floats{"", "", "F32", "F64"}, signs{"I8", "I16", "I32", "I64"},
            naturals{"U8", "U16", "U32", "U64"};
        constexpr std::size_t i = std::countr_zero(sizeof(T));
        return std::is_floating_point_v<T> ? floats[i] : std::is_signed_v<T> ? signs[i] : naturals[i];
    }

    /// Empty when it overflows.
    static std::optional<std::size_t> product(const std::vector<std::size_t>& shape) {
        std::size_t result = 1;
        for (const std::size_t extent : shape) {
            if (extent != 0 && result > std::numeric_limits<std::size_t>::max() / extent) return std::nullopt;
            result *= extent;
        }
        return result;
    }

    std::string entity(std::string_view name) const {
        return (file_.empty() ? "" : file_ + ": ") + "tensor '" + std::string{name} + "'";
    }

    const entry& find(std::string_view name) const {
        const auto found = index_.find(name);
        if (found == index_.end()) throw file_error(entity(name), "to be there", "no such tensor");
        return entries_[found->second];
    }

    std::span<const std::byte> raw(const entry& e) const { return std::span{bytes_}.subspan(e.begin, e.size); }

    template <class T, class Stored, class Decode = std::identity>
    std::vector<T> converted(const entry& e, Decode decode = {}) const {
        std::vector<T> result(e.size / sizeof(Stored));
        const std::byte* from = bytes_.data() + e.begin;
        for (T& value : result) {
            Stored stored;
            std::memcpy(&stored, from, sizeof stored); // tensors need not be aligned
            from += sizeof stored;
            const auto decoded = decode(stored);
            if (!holds<T>(decoded)) {
                throw file_error(entity(e.name), "values that the wanted number type holds", std::to_string(decoded));
            }
            value = static_cast<T>(decoded);
        }
        return result;
    }

    template <class T, class From>
    static bool holds(From value) {
        if constexpr (std::is_floating_point_v<T>) {
            return true;
        } else if constexpr (std::is_integral_v<From>) {
            return std::in_range<T>(value);
        } else {
            const double v = static_cast<double>(value); // 2^digits is exact, T's maximum need not be
            return std::trunc(v) == v && v >= static_cast<double>(std::numeric_limits<T>::min()) &&
                   v < std::ldexp(1.0, std::numeric_limits<T>::digits);
        }
    }

    void parse_header() {
        std::uint64_t length = 0;
        if (bytes_.size() < sizeof length)
            throw file_error(file_, "a safetensors file", std::to_string(bytes_.size()) + " bytes");
        std::memcpy(&length, bytes_.data(), sizeof length);
        const std::size_t rest = bytes_.size() - sizeof length;
        if (length > rest || length > largest_header) {
            throw file_error(
                file_, "a safetensors header within the file",
                "a header length of " + std::to_string(length) + " in a file of " + std::to_string(bytes_.size()) + " bytes");
        }
        const char* text = reinterpret_cast<const char*>(bytes_.data()) + sizeof length;
        const nlohmann::json header = parse_json({text, static_cast<std::size_t>(length)});
        const std::size_t data = sizeof length + static_cast<std::size_t>(length);
        for (const auto& [name, description] : header.items()) {
            if (name == "__metadata__") {
                parse_metadata(description);
            } else {
                entries_.push_back(parse_entry(name, description, data));
            }
        }
        check_layout(data);
        for (std::size_t i = 0; i < entries_.size(); ++i) index_.emplace(entries_[i].name, i);
    }

    nlohmann::json parse_json(std::string_view text) const {
        // The parser keeps the last of two equal keys silently, so keys are watched here; no safetensors header is deeper than 3.
        std::array<std::set<std::string>, 4> keys;
        const auto watch = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
            if (depth > 3) throw file_error(file_, "a safetensors header", "JSON nested too deeply");
            const auto level = static_cast<std::size_t>(depth);
            if (event == nlohmann::json::parse_event_t::object_start && level + 1 < keys.size()) keys[level + 1].clear();
            if (event == nlohmann::json::parse_event_t::key && !keys[level].insert(value.get<std::string>()).second) {
                throw file_error(entity(value.get<std::string>()), "a name once in the header", "it twice");
            }
            return true;
        };
        nlohmann::json header;
        try {
            header = nlohmann::json::parse(text, watch);
        } catch (const nlohmann::json::exception&) {
            throw file_error(file_, "a safetensors header", "bytes that are not JSON");
        }
        if (!header.is_object()) throw file_error(file_, "a safetensors header", "JSON that is not an object");
        return header;
    }

    void parse_metadata(const nlohmann::json& described) {
        if (!described.is_object()) throw file_error(file_, "metadata of names and texts", "other JSON");
        for (const auto& [key, value] : described.items()) {
            if (!value.is_string()) throw file_error(file_ + ": metadata '" + key + "'", "a text", "other JSON");
            metadata_[key] = value.get<std::string>();
        }
    }

    entry parse_entry(const std::string& name, const nlohmann::json& described, std::size_t data) const {
        const auto natural = [](const nlohmann::json& value) { return value.is_number_unsigned(); };
        const auto part = [&](const char* key) {
            if (!described.is_object() || !described.contains(key)) throw file_error(entity(name), key, "none in the header");
            return described[key];
        };
        const nlohmann::json dtype = part("dtype"), shape = part("shape"), offsets = part("data_offsets");
        const std::optional<std::size_t> bytes = dtype.is_string() ? width(dtype.get<std::string>()) : std::nullopt;
        if (!bytes) throw file_error(entity(name), "a known dtype", dtype.dump());
        if (!shape.is_array() || !std::ranges::all_of(shape, natural)) {
            throw file_error(entity(name), "a shape of natural numbers", shape.dump());
        }
        if (!offsets.is_array() || offsets.size() != 2 || !std::ranges::all_of(offsets, natural)) {
            throw file_error(entity(name), "two data_offsets", offsets.dump());
        }
        const auto begin = offsets[0].get<std::size_t>(), end = offsets[1].get<std::size_t>();
        if (begin > end || end > bytes_.size() - data) {
            throw file_error(entity(name), "data_offsets within the " + std::to_string(bytes_.size() - data) + " bytes of data",
                             offsets.dump());
        }
        auto extents = shape.get<std::vector<std::size_t>>();
        const std::optional<std::size_t> count = product(extents);
        if (!count || *count > (end - begin) / *bytes || *count * *bytes != end - begin) {
            throw file_error(entity(name), "data_offsets that hold its shape " + shape.dump(), offsets.dump());
        }
        return {name, dtype.get<std::string>(), std::move(extents), data + begin, end - begin};
    }

    /// The format leaves neither gaps nor overlaps, and nothing behind the last tensor.
    void check_layout(std::size_t position) {
        std::ranges::sort(entries_, {}, [](const entry& e) { return std::pair{e.begin, e.begin + e.size}; });
        for (const entry& e : entries_) {
            if (e.begin != position)
                throw file_error(entity(e.name), "data where the previous tensor ends", "an overlap or a gap");
            position += e.size;
        }
        if (position != bytes_.size()) {
            throw file_error(file_, "the end of the file after the last tensor",
                             std::to_string(bytes_.size() - position) + " more bytes");
        }
    }

    std::string file_;
    std::vector<std::byte> bytes_;
    std::vector<entry> entries_;
    std::map<std::string, std::size_t, std::less<>> index_;
    std::map<std::string, std::string> metadata_;
};

} // namespace umsrep::io
