// QEMU's SocketAddress out of dotted keys: `addr.type=unix,addr.path=…`.

import Glibc
import Linux

extension CheckedValues {
    /// `reconnect-ms`, a client's: milliseconds between attempts to connect; 0 never does.
    /// - Parameter mode: what QEMU calls the role of a server there.
    func reconnect(isServer: Bool, _ mode: String) throws(OptionError) -> UInt32 {
        guard let pause = number("reconnect-ms") else { return 0 }
        guard !isServer else {
            throw OptionError("'reconnect-ms' option is incompatible with socket in \(mode)")
        }
        guard let fitting = UInt32(exactly: pause) else {
            throw OptionError("Parameter 'reconnect-ms' expects uint32_t")
        }
        return fitting
    }
}

enum SocketAddressOption {
    private static let types = ["inet", "unix", "vsock", "fd"]

    /// A SocketAddress, by its type.
    static let rows =
        [KeyRow("addr.type", .string, "unix, inet, fd or vsock")] + unixAddress + inetAddress + otherAddresses

    static let unixAddress = [
        KeyRow("addr.path", .path, "unix: the socket"),
        KeyRow("addr.abstract", .boolean, "unix: a name of the abstract name space"),
        KeyRow("addr.tight", .boolean, "unix: an abstract name's address ends with it (default on)"),
    ]

    static let inetAddress = [
        KeyRow("addr.host", .string, "inet: a name or an address"),
        KeyRow("addr.port", .string, "inet: a number or a service"),
        KeyRow("addr.numeric", .boolean, "inet: host and port are numbers"),
        KeyRow("addr.to", .fitting(.uint16), "inet: listen at the first free port up to this one"),
        KeyRow("addr.ipv4", .boolean, "inet: use IPv4"),
        KeyRow("addr.ipv6", .boolean, "inet: use IPv6"),
        KeyRow("addr.keep-alive", .boolean, "inet: let TCP probe a silent peer"),
        KeyRow("addr.keep-alive-count", .fitting(.uint32), "inet: probes before the connection is given up"),
        KeyRow("addr.keep-alive-idle", .fitting(.uint32), "inet: seconds of silence before the first probe"),
        KeyRow("addr.keep-alive-interval", .fitting(.uint32), "inet: seconds between probes"),
        KeyRow("addr.mptcp", .boolean, "inet: multipath TCP"),
    ]

    static let otherAddresses = [
        KeyRow("addr.str", .string, "fd: the number of an open descriptor"),
        KeyRow("addr.cid", .string, "vsock: the context"),
        KeyRow("addr.port", .string, "vsock: the port"),
    ]

    /// The address below `addr` of a list.
    static func read(_ list: KeyValueList) throws(OptionError) -> StreamAddress {
        let given = list.below(["addr"]).pairs
        guard let first = given.first else { throw OptionError("Parameter 'addr' is missing") }
        guard first.key.hasPrefix("addr.") || first.type == .emptyObject else {
            throw OptionError("Invalid parameter type for 'addr', expected: object")
        }
        let isType = { (pair: KeyValueList.Pair) in pair.key == "addr.type" || pair.key.hasPrefix("addr.type.") }
        let type = try KeyTable(title: "addr", rows: [KeyRow("addr.type", .string, "")]).read(
            KeyValueList(pairs: given.filter(isType), dialect: list.dialect)
        ).required("addr.type")
        guard types.contains(type) else { throw OptionError("Parameter 'type' does not accept value '\(type)'") }
        let keys = KeyValueList(pairs: given.filter { !isType($0) }, dialect: list.dialect)
        switch type {
        case "unix": return .unix(try unix(keys))
        case "inet": return .inet(try inet(keys))
        case "fd": return .descriptor(try descriptor(keys))
        default: return try vsock(keys)
        }
    }

    private static func unix(_ keys: KeyValueList) throws(OptionError) -> UnixAddress {
        let values = try KeyTable(title: "unix", rows: unixAddress).read(keys)
        _ = try values.required("addr.path")
        return UnixAddress(
            path: values.path("addr.path") ?? "", isAbstract: values.boolean("addr.abstract") ?? false,
            isTight: values.boolean("addr.tight") ?? true)
    }

    /// A server without a path gets one of its own, as QEMU gives it.
    static func named(_ address: StreamAddress, isServer: Bool) -> StreamAddress {
        guard isServer, case .unix(var place) = address, place.path.isEmpty, !place.isAbstract else { return address }
        let directory = getenv("TMPDIR").map { String(systemText: $0) } ?? "/tmp"
        let digits = String(UInt64.random(in: 0..<(1 << 48)), radix: 36)
        place.path = "\(directory)/netemu-socket-\(digits)"
        return .unix(place)
    }

    private static func inet(_ keys: KeyValueList) throws(OptionError) -> InternetName {
        let values = try KeyTable(title: "inet", rows: inetAddress).read(keys)
        var name = InternetName(host: try values.required("addr.host"), port: try values.required("addr.port"))
        name.isNumeric = values.boolean("addr.numeric") ?? false
        name.ipv4 = values.boolean("addr.ipv4")
        name.ipv6 = values.boolean("addr.ipv6")
        name.isMultipath = values.boolean("addr.mptcp") ?? false
        name.lastPort = values.integer("addr.to").map { UInt16(clamping: $0) }
        if values.boolean("addr.keep-alive") == true {
            name.keepAlive = KeepAlive(
                count: number(values, "addr.keep-alive-count"), idle: number(values, "addr.keep-alive-idle"),
                interval: number(values, "addr.keep-alive-interval"))
        }
        return name
    }

    private static func number(_ values: CheckedValues, _ key: String) -> UInt32 {
        UInt32(clamping: values.integer(key) ?? 0)
    }

    private static func descriptor(_ keys: KeyValueList) throws(OptionError) -> Int32 {
        let values = try KeyTable(title: "fd", rows: [otherAddresses[0]]).read(keys)
        return try number(try values.required("addr.str"))
    }

    /// An open descriptor of netemu's own, by number.
    static func number(_ text: String) throws(OptionError) -> Int32 {
        guard let number = Int32(text), number > 2 else {
            throw OptionError(
                Int32(text) == nil ? "Invalid file descriptor number '\(text)'" : "descriptor \(text) is netemu's own")
        }
        return number
    }

    private static func vsock(_ keys: KeyValueList) throws(OptionError) -> StreamAddress {
        let rows = Array(otherAddresses.dropFirst())
        let values = try KeyTable(title: "vsock", rows: rows).read(keys)
        func part(_ key: String) throws(OptionError) -> UInt32 {
            let text = try values.required(key)
            guard let number = UInt32(text) else {
                throw OptionError("Parameter '\(key)' expects a number of 32 bits, not '\(text)'")
            }
            return number
        }
        return .vsock(cid: try part("addr.cid"), port: try part("addr.port"))
    }
}
