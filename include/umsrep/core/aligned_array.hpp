// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

namespace umsrep {

/// A fixed number of elements on a 64-byte boundary, zero at first. Its size never changes, so pointers into it stay valid.
template <class T>
    requires std::is_trivially_copyable_v<T>
class aligned_array {
public:
    aligned_array() = default;
    explicit aligned_array(std::size_t size)
        : data_{size == 0 ? nullptr : static_cast<T*>(::operator new(size * sizeof(T), boundary))}, size_{size} {
        std::uninitialized_value_construct_n(data_.get(), size_);
    }

    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    std::size_t size() const { return size_; }
    std::span<T> span() { return {data(), size_}; }
    std::span<const T> span() const { return {data(), size_}; }

private:
    static constexpr std::align_val_t boundary{64};
    struct release {
        void operator()(T* p) const { ::operator delete(p, boundary); }
    };
    std::unique_ptr<T, release> data_;
    std::size_t size_ = 0;
};

} // namespace umsrep
