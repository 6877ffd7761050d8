// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace umsrep::test {

/// The message of the `Exception` that `action` throws; other exceptions pass through, and none gives a text no test expects.
template <class Exception, class Action>
std::string message_of(Action&& action) {
    try {
        action();
    } catch (const Exception& caught) {
        return caught.what();
    }
    return "(nothing was thrown)";
}

/// Every message of the library is one line that names the thing concerned.
inline bool one_line_naming(const std::string& message, const std::string& thing) {
    return message.find('\n') == std::string::npos && message.find(thing) != std::string::npos;
}

} // namespace umsrep::test
