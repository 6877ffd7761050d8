// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <umsrep/io/safetensors.hpp>

namespace umsrep::io {

namespace detail {

class checkpoint_writer {
public:
    explicit checkpoint_writer(safetensors& file) : file_{&file} {}

    template <class T>
    void values(const std::string& name, std::span<T> v) {
        file_->add(name, {v.size()}, std::span<const T>(v));
    }
    template <class T>
    void list(const std::string& name, const std::vector<T>& v, std::size_t, std::size_t) {
        file_->add(name, {v.size()}, std::span<const T>(v));
    }
    void number(const std::string& name, std::int64_t v) { file_->add(name, {1}, std::span<const std::int64_t>(&v, 1)); }

private:
    safetensors* file_;
};

/// Checks that everything is there in its size and can be read, before anything is overwritten.
class checkpoint_checker {
public:
    checkpoint_checker(const safetensors& file, std::string name) : file_{&file}, name_{std::move(name)} {}

    template <class T>
    void values(const std::string& name, std::span<T> v) const {
        if (size(name) != v.size()) fail(name, std::to_string(v.size()) + " elements");
        static_cast<void>(file_->values<std::remove_const_t<T>>(name));
    }
    template <class T>
    void list(const std::string& name, const std::vector<T>&, std::size_t row, std::size_t rows) const {
        const std::size_t n = size(name);
        if (row == 0 ? n != 0 : n % row != 0 || n / row > rows) fail(name, "rows of " + std::to_string(row) + " elements");
        static_cast<void>(file_->values<T>(name));
    }
    void number(const std::string& name, std::int64_t&) const {
        if (size(name) != 1) fail(name, "1 element");
        static_cast<void>(file_->values<std::int64_t>(name));
    }

private:
    std::size_t size(const std::string& name) const {
        std::size_t n = 1;
        for (const std::size_t d : file_->shape(name)) n *= d;
        return n;
    }
    [[noreturn]] void fail(const std::string& name, const std::string& expected) const {
        throw file_error(name_ + ": " + name, expected, std::to_string(size(name)));
    }

    const safetensors* file_;
    std::string name_;
};

class checkpoint_reader {
public:
    explicit checkpoint_reader(const safetensors& file) : file_{&file} {}

    template <class T>
    void values(const std::string& name, std::span<T> v) const {
        const std::vector<T> read = file_->values<T>(name);
        std::copy(read.begin(), read.end(), v.begin());
    }
    template <class T>
    void list(const std::string& name, std::vector<T>& v, std::size_t, std::size_t) const {
        v = file_->values<T>(name);
    }
    void number(const std::string& name, std::int64_t& v) const { v = file_->values<std::int64_t>(name).front(); }

private:
    const safetensors* file_;
};

} // namespace detail

/// Saves everything that a trainer needs to go on with the same bits: parameters, statistics, optimiser, averages, best model, counters
/// (which are all the state of the random streams and the sampler) and history. `run` describes what the trainer does not know, such as the
/// data and the loader's seed and batch size; it must be the same on resume. Atomic: killed at any moment, the file is the old or the new one.
template <class Trainer>
void save_checkpoint(Trainer& t, const std::filesystem::path& path, const std::string& run) {
    safetensors file;
    for (const auto& [key, value] : t.identity()) file.metadata()["trainer: " + key] = value;
    file.metadata()["umsrep.kind"] = "checkpoint";
    file.metadata()["umsrep.run"] = run;
    detail::checkpoint_writer writer(file);
    t.archive(writer);
    file.write(path);
}

/// Restores what save_checkpoint saved. Throws file_error naming the file when it is damaged, no checkpoint, or of another run or
/// trainer, with the first difference, and leaves the trainer as it was.
template <class Trainer>
void load_checkpoint(Trainer& t, const std::filesystem::path& path, const std::string& run) {
    const safetensors file = safetensors::read(path);
    const auto saved = [&](const std::string& key) {
        const auto found = file.metadata().find(key);
        return found == file.metadata().end() ? std::string("none") : found->second;
    };
    if (saved("umsrep.kind") != "checkpoint") throw file_error(path.string(), "a checkpoint of a training run", "another safetensors file");
    if (saved("umsrep.run") != run) throw file_error(path.string() + ": run", "'" + run + "'", "'" + saved("umsrep.run") + "'");
    for (const auto& [key, value] : t.identity())
        if (saved("trainer: " + key) != value) throw file_error(path.string() + ": " + key, value, saved("trainer: " + key));
    detail::checkpoint_checker checker(file, path.string());
    t.archive(checker);
    detail::checkpoint_reader reader(file);
    t.archive(reader);
}

} // namespace umsrep::io
