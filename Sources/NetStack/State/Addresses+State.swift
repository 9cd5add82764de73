// Addresses, prefixes, ends and names of things of a host as bytes of its state. Nothing is made here that the types'
// own initialisers would refuse.

import Bytes

extension IPv4Address: StateCoded {
    /// 0.0.0.0.
    public static var blank: IPv4Address { .any }
    /// 32 bits.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var value = rawValue
        try coder.integer(&value)
        self = IPv4Address(rawValue: value)
    }
}

extension IPv4Prefix: StateCoded {
    /// 0.0.0.0/0.
    public static var blank: IPv4Prefix { .everything }
    /// The address, then the length in a byte.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (address, length) = (address, UInt8(truncatingIfNeeded: length))
        try address.code(&coder)
        try coder.integer(&length)
        guard let prefix = IPv4Prefix(address, length: Int(length)) else { throw .impossible("length of a prefix") }
        self = prefix
    }
}

extension IPAddress: StateCoded {
    /// 0.0.0.0.
    public static var blank: IPAddress { .any }
    /// 128 bits.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (high, low) = (high, low)
        try coder.integer(&high)
        try coder.integer(&low)
        self = IPAddress(high: high, low: low)
    }
}

extension IPPrefix: StateCoded {
    /// 0.0.0.0/0.
    public static var blank: IPPrefix { .everything }
    /// The address, then the length in a byte.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (address, length) = (address, UInt8(truncatingIfNeeded: length))
        try address.code(&coder)
        try coder.integer(&length)
        guard let prefix = IPPrefix(address, length: Int(length)) else { throw .impossible("length of a prefix") }
        self = prefix
    }
}

extension Endpoint: StateCoded {
    /// 0.0.0.0:0.
    public static var blank: Endpoint { Endpoint(.any, 0) }
    /// The address, then the port.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try address.code(&coder)
        try coder.integer(&port)
    }
}

extension DNSName: StateCoded {
    /// The root.
    public static var blank: DNSName { DNSName(labels: []) }
    /// Its labels.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var labels = labels
        try coder.strings(&labels, limit: Self.maximumSize / 2, length: Self.maximumLabel, "labels of a name")
        let name = DNSName(labels: labels)
        try coder.require(!labels.contains([]) && name.size <= Self.maximumSize, "a name")
        self = name
    }
}

extension InterfaceID: StateCoded {
    /// The loopback interface.
    public static var blank: InterfaceID { .loopback }
    /// 16 bits.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var value = rawValue
        try coder.integer(&value)
        self = InterfaceID(rawValue: value)
    }
}

// Names of sockets, sessions and queries stay what they are on the other side. One that nobody has finds nothing.

extension TCPSocketID: StateCoded {
    /// Nobody's.
    public static var blank: TCPSocketID { TCPSocketID(index: .max, generation: 0) }
    /// 64 bits.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&index)
        try coder.integer(&generation)
    }
}

extension UDPSocketID: StateCoded {
    /// Nobody's.
    public static var blank: UDPSocketID { UDPSocketID(rawValue: 0) }
    /// 32 bits.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var value = rawValue
        try coder.integer(&value)
        self = UDPSocketID(rawValue: value)
    }
}

extension EchoID: StateCoded {
    /// Nobody's.
    public static var blank: EchoID { EchoID(rawValue: 0) }
    /// 32 bits.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var value = rawValue
        try coder.integer(&value)
        self = EchoID(rawValue: value)
    }
}

extension QueryID: StateCoded {
    /// Nobody's.
    public static var blank: QueryID { QueryID(rawValue: 0) }
    /// 32 bits.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var value = rawValue
        try coder.integer(&value)
        self = QueryID(rawValue: value)
    }
}

extension PathError: StateCoded {
    /// Time exceeded.
    public static var blank: PathError { .timeExceeded }
    /// A byte that says which, and what belongs to it.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (kind, code, mtu, address): (UInt8, UInt8, Int, IPAddress) = (0, 0, 0, .any)
        switch self {
        case .unreachable(let said): (kind, code) = (1, said)
        case .packetTooBig(let said): (kind, mtu) = (2, said)
        case .timeExceeded: kind = 3
        case .neighbourUnreachable(let neighbour): (kind, address) = (4, neighbour)
        }
        try coder.integer(&kind)
        switch kind {
        case 1:
            try coder.integer(&code)
            self = .unreachable(code: code)
        case 2:
            try coder.count(&mtu, in: 0...65_535, "MTU of a path")
            self = .packetTooBig(mtu: mtu)
        case 3: self = .timeExceeded
        case 4:
            try address.code(&coder)
            self = .neighbourUnreachable(address)
        default: throw .impossible("error of a path")
        }
    }
}
