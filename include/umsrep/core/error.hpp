// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <string>

namespace umsrep {

/// The one family of exceptions of this library. The message is a single line that names the thing concerned
/// (a file, a tensor, a head, an option, a device), what was expected and what came.
class error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;

    /// "ENTITY: expected EXPECTED, got GOT"
    error(const std::string& entity, const std::string& expected, const std::string& got)
        : std::runtime_error(entity + ": expected " + expected + ", got " + got) {}
};

/// A tensor, image, batch or network whose shape does not fit.
class shape_mismatch : public error { using error::error; };
/// A file that is missing, unreadable, damaged, of a foreign format, or cannot be written.
class file_error : public error { using error::error; };
/// A label that is unknown, out of range or absent where one is needed.
class label_error : public error { using error::error; };
/// An option, argument or name that is not valid.
class option_error : public error { using error::error; };
/// A device or backend that is absent, too old or out of memory.
class device_error : public error { using error::error; };

/// Throws the exception that is being handled again: one of the family with `more` behind its words, another as it is.
[[noreturn]] inline void rethrow_with(const std::string& more) {
    try {
        throw;
    } catch (const shape_mismatch& e) {
        throw shape_mismatch(e.what() + more);
    } catch (const file_error& e) {
        throw file_error(e.what() + more);
    } catch (const label_error& e) {
        throw label_error(e.what() + more);
    } catch (const option_error& e) {
        throw option_error(e.what() + more);
    } catch (const device_error& e) {
        throw device_error(e.what() + more);
    } catch (const error& e) {
        throw error(e.what() + more);
    }
}

} // namespace umsrep
