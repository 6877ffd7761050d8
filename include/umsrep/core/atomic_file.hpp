// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <ostream>
#include <span>
#include <streambuf>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <umsrep/core/error.hpp>

namespace umsrep {

/// A file that appears under its name complete or not at all: bytes go to a temporary file in the same folder, `commit` flushes
/// them to the disk (fsync) and renames. Destroyed without commit, it removes the temporary and the earlier file stays as it was.
/// POSIX. Throws file_error, naming the destination and the cause (no such folder, no permission, disk full).
class atomic_file {
public:
    explicit atomic_file(const std::filesystem::path& destination) : name_{destination.string()} {
        namespace fs = std::filesystem;
        std::error_code failure;
        // A link is followed, so that it stays a link and the file behind it is replaced.
        destination_ = destination;
        if (fs::is_symlink(fs::symlink_status(destination, failure))) {
            destination_ = fs::weakly_canonical(destination, failure);
            if (failure) fail(failure.value());
        }
        const fs::file_status status = fs::status(destination_, failure);
        if (fs::exists(status) && !fs::is_regular_file(status)) {
            throw file_error(name_, "a regular file to write", "something else (a folder or a device)");
        }
        folder_ = destination_.has_parent_path() ? destination_.parent_path() : fs::path{"."};
        for (int attempt = 0; descriptor_ < 0; ++attempt) {
            temporary_ = folder_ / (".umsrep-" + std::to_string(::getpid()) + "-" + std::to_string(attempt) + ".tmp");
            descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (descriptor_ < 0 && errno != EEXIST) fail(errno);
        }
        struct stat earlier {};
        if (::stat(destination_.c_str(), &earlier) == 0) static_cast<void>(::fchmod(descriptor_, earlier.st_mode & 07777));
    }

    atomic_file(const atomic_file&) = delete;
    atomic_file& operator=(const atomic_file&) = delete;

    ~atomic_file() {
        if (descriptor_ >= 0) ::close(descriptor_);
        if (!committed_) ::unlink(temporary_.c_str());
    }

    void write(std::span<const std::byte> bytes) {
        while (!bytes.empty()) {
            const ::ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) fail(errno);
            if (written == 0) fail(ENOSPC);
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        }
    }

    void commit() {
        if (::fsync(descriptor_) != 0) fail(errno);
        if (::close(std::exchange(descriptor_, -1)) != 0) fail(errno);
        if (::rename(temporary_.c_str(), destination_.c_str()) != 0) fail(errno);
        committed_ = true;
        // The name itself reaches the disk with its folder; a file system that cannot do this has renamed all the same.
        if (const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
            static_cast<void>(::fsync(folder));
            ::close(folder);
        }
    }

private:
    [[noreturn]] void fail(int cause) const {
        throw file_error(name_ + ": cannot be written: " + std::generic_category().message(cause));
    }

    std::string name_;
    std::filesystem::path destination_, folder_, temporary_;
    int descriptor_ = -1;
    bool committed_ = false;
};

/// Buffers what an ostream receives and hands it to an atomic_file.
class atomic_file_buffer final : public std::streambuf {
public:
    explicit atomic_file_buffer(atomic_file& file) : file_{file} { reset(); }

protected:
    int_type overflow(int_type c) override {
        sync();
        if (!traits_type::eq_int_type(c, traits_type::eof())) sputc(traits_type::to_char_type(c));
        return traits_type::not_eof(c);
    }

    std::streamsize xsputn(const char* text, std::streamsize count) override {
        if (count < epptr() - pptr()) {
            traits_type::copy(pptr(), text, static_cast<std::size_t>(count));
            pbump(static_cast<int>(count));
        } else {
            sync();
            file_.write(std::as_bytes(std::span{text, static_cast<std::size_t>(count)}));
        }
        return count;
    }

    int sync() override {
        file_.write(std::as_bytes(std::span{pbase(), pptr()}));
        reset();
        return 0;
    }

private:
    void reset() { setp(buffer_.data(), buffer_.data() + buffer_.size()); }

    atomic_file& file_;
    std::array<char, 1 << 16> buffer_;
};

/// Writes a file atomically through an ostream: `write_atomically("history.csv", [&](std::ostream& out) { out << ...; })`.
/// If the writer throws or the disk fills up, the earlier file stays as it was. Throws file_error.
template <class Writer>
    requires requires(Writer& writer, std::ostream& out) { writer(out); }
void write_atomically(const std::filesystem::path& path, Writer&& writer) {
    atomic_file file{path};
    atomic_file_buffer buffer{file};
    std::ostream out{&buffer};
    out.exceptions(std::ios::badbit); // lets the file_error of the buffer through instead of swallowing it
    writer(out);
    out.flush();
    if (!out) throw file_error(path.string() + ": cannot be written: its content could not be formatted");
    file.commit();
}

inline void write_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
    atomic_file file{path};
    file.write(bytes);
    file.commit();
}

} // namespace umsrep
