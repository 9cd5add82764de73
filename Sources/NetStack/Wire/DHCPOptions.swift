// The options of DHCP (RFC 2132; long ones RFC 3396; search list RFC 3397; classless routes
// RFC 3442) that netemu understands, as typed fields. Others are skipped.

import Bytes

/// DHCP option 53 (RFC 2132, 9.6).
public enum DHCPMessageType: UInt8, Sendable {
    /// A client looks for servers.
    case discover = 1
    /// RFC 2132, 9.6.
    case offer, request, decline, ack, nak, release, inform
}

/// A route of option 121; `gateway` 0.0.0.0 means on the link (RFC 3442).
public struct DHCPRoute: Hashable, Sendable {
    /// The network it leads to.
    public var destination: IPv4Prefix
    /// The next hop; unspecified: on the link.
    public var gateway: IPv4Address

    /// A route to `destination`.
    public init(_ destination: IPv4Prefix, via gateway: IPv4Address) {
        self.destination = destination.asNetwork
        self.gateway = gateway
    }
}

/// Option codes (RFC 2132 and the RFCs above).
public enum DHCPOptionCode: UInt8, Sendable, CaseIterable {
    /// RFC 2132, 3.3.
    case subnetMask = 1
    /// RFC 2132, 3.5.
    case routers = 3
    /// RFC 2132, 3.8.
    case nameServers = 6
    /// RFC 2132, 3.14.
    case hostName = 12
    /// RFC 2132, 3.17.
    case domainName = 15
    /// RFC 2132, 5.1.
    case interfaceMTU = 26
    /// RFC 2132, 9.1.
    case requestedAddress = 50
    /// RFC 2132, 9.2.
    case leaseTime = 51
    /// RFC 2132, 9.3: options in `file` or `sname`, too.
    case overload = 52
    /// RFC 2132, 9.6.
    case messageType = 53
    /// RFC 2132, 9.7.
    case serverIdentifier = 54
    /// RFC 2132, 9.8.
    case parameterRequest = 55
    /// RFC 2132, 9.9.
    case message = 56
    /// RFC 2132, 9.10.
    case maximumSize = 57
    /// RFC 2132, 9.11.
    case renewalTime = 58
    /// RFC 2132, 9.12.
    case rebindingTime = 59
    /// RFC 2132, 9.14.
    case clientIdentifier = 61
    /// RFC 3397.
    case searchList = 119
    /// RFC 3442.
    case classlessRoutes = 121
}

/// The options of one message; `nil` or empty = not there.
public struct DHCPOptions: Hashable, Sendable {
    /// Nil: BOOTP.
    public var messageType: DHCPMessageType?
    /// Option 1.
    public var subnetMask: IPv4Address?
    /// Option 3.
    public var routers: [IPv4Address] = []
    /// Option 6.
    public var nameServers: [IPv4Address] = []
    /// Option 12.
    public var hostName: String?
    /// Option 15.
    public var domainName: String?
    /// Option 26, in bytes.
    public var interfaceMTU: UInt16?
    /// Option 50.
    public var requestedAddress: IPv4Address?
    /// Seconds; `UInt32.max` = for ever.
    public var leaseTime: UInt32?
    /// Option 54.
    public var serverIdentifier: IPv4Address?
    /// Option 55: codes of the options that are asked for.
    public var parameterRequest: [UInt8] = []
    /// Option 56: why a NAK.
    public var message: String?
    /// Option 57: the longest message that is taken, in bytes.
    public var maximumSize: UInt16?
    /// T1 and T2 in seconds (RFC 2131, 4.4.5).
    public var renewalTime: UInt32?
    /// Option 59, in seconds.
    public var rebindingTime: UInt32?
    /// Option 61: type byte and identifier.
    public var clientIdentifier: [UInt8] = []
    /// Option 119.
    public var searchList: [DNSName] = []
    /// Option 121.
    public var classlessRoutes: [DHCPRoute] = []

    /// No other option.
    public init(_ messageType: DHCPMessageType? = nil) { self.messageType = messageType }

    // MARK: In

    init(
        fields: UnsafeRawBufferPointer, file: UnsafeRawBufferPointer, serverName: UnsafeRawBufferPointer
    ) throws(WireError) {
        // RFC 3396, 7: parts of an option are joined over options, file and sname, in this order.
        var parts: [UInt8: [UInt8]] = [:]
        try Self.gather(fields, into: &parts)
        let overload = parts[DHCPOptionCode.overload.rawValue]?.first ?? 0
        if overload & 1 != 0 { try Self.gather(file, into: &parts) }
        if overload & 2 != 0 { try Self.gather(serverName, into: &parts) }
        for code in DHCPOptionCode.allCases {
            // An option with a wrong length counts as missing: a broken search list costs no lease.
            if let value = parts[code.rawValue] { try? set(code, value) }
        }
    }

    /// Splits a field of options at their codes. The end option may be missing.
    private static func gather(
        _ field: UnsafeRawBufferPointer, into parts: inout [UInt8: [UInt8]]
    ) throws(WireError) {
        var reader = ByteReader(field)
        while !reader.isAtEnd {
            let code: UInt8 = try reader.field()
            if code == 0 { continue }
            if code == 255 { return }
            let length: UInt8 = try reader.field()
            parts[code, default: []].append(contentsOf: try reader.bytes(Int(length)))
        }
    }

    private mutating func set(_ code: DHCPOptionCode, _ value: [UInt8]) throws(WireError) {
        switch code {
        case .subnetMask: subnetMask = try Self.addresses(value).first
        case .routers: routers = try Self.addresses(value)
        case .nameServers: nameServers = try Self.addresses(value)
        case .hostName: hostName = Self.text(value)
        case .domainName: domainName = Self.text(value)
        case .interfaceMTU: interfaceMTU = try Self.number(value)
        case .requestedAddress: requestedAddress = try Self.addresses(value).first
        case .leaseTime: leaseTime = try Self.number(value)
        case .overload: break
        case .messageType: messageType = DHCPMessageType(rawValue: try Self.number(value))
        case .serverIdentifier: serverIdentifier = try Self.addresses(value).first
        case .parameterRequest: parameterRequest = value
        case .message: message = Self.text(value)
        case .maximumSize: maximumSize = try Self.number(value)
        case .renewalTime: renewalTime = try Self.number(value)
        case .rebindingTime: rebindingTime = try Self.number(value)
        case .clientIdentifier: clientIdentifier = value
        case .searchList: searchList = try Self.names(value)
        case .classlessRoutes: classlessRoutes = try Self.routes(value)
        }
    }

    private static func number<T: FixedWidthInteger>(_ value: [UInt8]) throws(WireError) -> T {
        guard value.count == MemoryLayout<T>.size else {
            throw .invalid(field: .dhcpOption, value: UInt64(value.count))
        }
        return value.reduce(0) { $0 << 8 | T(truncatingIfNeeded: $1) }
    }

    private static func addresses(_ value: [UInt8]) throws(WireError) -> [IPv4Address] {
        guard !value.isEmpty, value.count % 4 == 0 else {
            throw .invalid(field: .dhcpOption, value: UInt64(value.count))
        }
        return stride(from: 0, to: value.count, by: 4).map {
            IPv4Address(value[$0], value[$0 + 1], value[$0 + 2], value[$0 + 3])
        }
    }

    /// Printable ASCII up to the first NUL (some servers send one); `nil` when anything else is in it.
    private static func text(_ value: [UInt8]) -> String? {
        let text = value.prefix { $0 != 0 }
        guard !text.isEmpty, text.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    private static func reading<T>(
        _ value: [UInt8], _ body: (inout ByteReader) throws(WireError) -> T
    ) throws(WireError) -> T {
        try value.withUnsafeBytes { bytes -> Result<T, WireError> in
            var reader = ByteReader(bytes)
            do throws(WireError) { return .success(try body(&reader)) } catch { return .failure(error) }
        }.get()
    }

    /// RFC 3397, 2: compression pointers count from the start of the (joined) option.
    private static func names(_ value: [UInt8]) throws(WireError) -> [DNSName] {
        try reading(value) { reader throws(WireError) in
            var names: [DNSName] = []
            while !reader.isAtEnd { names.append(try DNSName(&reader)) }
            return names
        }
    }

    /// RFC 3442: length of the prefix, only its significant bytes, the router.
    private static func routes(_ value: [UInt8]) throws(WireError) -> [DHCPRoute] {
        try reading(value) { reader throws(WireError) in
            var routes: [DHCPRoute] = []
            while !reader.isAtEnd {
                let length = Int(try reader.field(UInt8.self))
                var network: UInt32 = 0
                for index in 0..<(min(length, 32) + 7) / 8 {
                    network |= UInt32(try reader.field(UInt8.self)) << UInt32(24 - 8 * index)
                }
                let gateway = try IPv4Address(wire: &reader)
                guard let prefix = IPv4Prefix(IPv4Address(rawValue: network), length: length) else {
                    throw .invalid(field: .dhcpOption, value: UInt64(length))
                }
                routes.append(DHCPRoute(prefix, via: gateway))
            }
            return routes
        }
    }

    // MARK: Out

    /// Writes the options in the order of their codes, message type first, and the end option.
    func write(to writer: inout ByteWriter) throws(ByteWriteError) {
        if let messageType { try Self.option(.messageType, [messageType.rawValue], to: &writer) }
        for code in DHCPOptionCode.allCases where code != .messageType {
            let value = bytes(of: code)
            if !value.isEmpty { try Self.option(code, value, to: &writer) }
        }
        try writer.big(UInt8(255))
    }

    /// Values above 255 bytes go out in parts (RFC 3396, 6).
    private static func option(
        _ code: DHCPOptionCode, _ value: [UInt8], to writer: inout ByteWriter
    ) throws(ByteWriteError) {
        var rest = value[...]
        while !rest.isEmpty {
            let part = rest.prefix(255)
            try writer.big(code.rawValue)
            try writer.big(UInt8(part.count))
            let room = try writer.reserve(part.count)
            room.copyBytes(from: part)
            rest = rest.dropFirst(part.count)
        }
    }

    private func bytes(of code: DHCPOptionCode) -> [UInt8] {
        switch code {
        case .subnetMask: Self.big(subnetMask?.rawValue)
        case .routers: routers.flatMap { Self.big($0.rawValue) }
        case .nameServers: nameServers.flatMap { Self.big($0.rawValue) }
        case .hostName: Array((hostName ?? "").utf8)
        case .domainName: Array((domainName ?? "").utf8)
        case .interfaceMTU: Self.big(interfaceMTU)
        case .requestedAddress: Self.big(requestedAddress?.rawValue)
        case .leaseTime: Self.big(leaseTime)
        case .overload, .messageType: []
        case .serverIdentifier: Self.big(serverIdentifier?.rawValue)
        case .parameterRequest: parameterRequest
        case .message: Array((message ?? "").utf8)
        case .maximumSize: Self.big(maximumSize)
        case .renewalTime: Self.big(renewalTime)
        case .rebindingTime: Self.big(rebindingTime)
        case .clientIdentifier: clientIdentifier
        case .searchList:
            searchList.flatMap { name in
                name.labels.flatMap { [UInt8(truncatingIfNeeded: $0.count)] + $0 } + [0]
            }
        case .classlessRoutes: classlessRoutes.flatMap(Self.bytes(of:))
        }
    }

    private static func bytes(of route: DHCPRoute) -> [UInt8] {
        let length = route.destination.length
        return [UInt8(length)] + big(route.destination.network.rawValue).prefix((length + 7) / 8)
            + big(route.gateway.rawValue)
    }

    private static func big<T: FixedWidthInteger>(_ value: T?) -> [UInt8] {
        guard let value else { return [] }
        return withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
