// Sequence arithmetic modulo 2³² (RFC 9293, 3.4). The order is a circle: comparisons are meaningful
// for numbers less than 2³¹ apart, so the type is not Comparable.

/// A TCP sequence number.
struct SequenceNumber: Hashable, Sendable {
    var rawValue: UInt32

    init(_ rawValue: UInt32) { self.rawValue = rawValue }

    /// The signed distance from `b` to `a`.
    @inline(__always) static func - (a: Self, b: Self) -> Int { Int(Int32(bitPattern: a.rawValue &- b.rawValue)) }

    @inline(__always) static func + (a: Self, n: Int) -> Self { Self(a.rawValue &+ UInt32(truncatingIfNeeded: n)) }
    @inline(__always) static func += (a: inout Self, n: Int) { a = a + n }

    @inline(__always) static func < (a: Self, b: Self) -> Bool { a - b < 0 }
    @inline(__always) static func <= (a: Self, b: Self) -> Bool { a - b <= 0 }
    @inline(__always) static func > (a: Self, b: Self) -> Bool { a - b > 0 }
    @inline(__always) static func >= (a: Self, b: Self) -> Bool { a - b >= 0 }

    /// The later of both.
    static func latest(_ a: Self, _ b: Self) -> Self { a > b ? a : b }
}
