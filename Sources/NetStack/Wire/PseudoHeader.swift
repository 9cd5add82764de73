// The pseudo header that transports sum before their own: one function for both families.

import Bytes

extension InternetChecksum {
    /// The sum of the pseudo header of RFC 9293, 3.1 and RFC 768 (IPv4) or RFC 8200, 8.1 (IPv6).
    ///
    /// The same additions serve both: the words ::ffff before an IPv4 address add 0xffff, which is zero in one's
    /// complement, and the layouts differ only in where zero bytes lie.
    /// - Parameter length: bytes of the transport header and what is behind it.
    @inline(__always) public static func pseudoHeader(
        from source: IPAddress, to destination: IPAddress, _ proto: IPProtocol, length: Int
    ) -> InternetChecksum {
        var sum = InternetChecksum()
        sum.addPseudoHeader(from: source, to: destination, proto, length: length)
        return sum
    }

    /// Adds the pseudo header to the sum of what it stands before.
    @inline(__always) mutating func addPseudoHeader(
        from source: IPAddress, to destination: IPAddress, _ proto: IPProtocol, length: Int
    ) {
        add(quad: source.high)
        add(quad: source.low)
        add(quad: destination.high)
        add(quad: destination.low)
        add(word: UInt16(proto.rawValue))
        add(long: UInt32(truncatingIfNeeded: length))
    }
}
