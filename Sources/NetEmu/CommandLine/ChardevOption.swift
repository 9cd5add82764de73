// -chardev and chardev-add, and the short forms of -monitor and -serial: a list becomes the plan of a
// character device.

import Linux

extension OptionRow {
    static let chardev = OptionRow(
        "chardev", "socket,id=ID,path=PATH[,server=on][,wait=off] | stdio,id=ID | null,id=ID",
        "a character device, for -mon, -serial and -netdev vhost-user", phase: .chardev,
        reads: .list(ChardevOption.grammar)
    ) { builder, parsed throws(OptionError) in try builder.addChardev(parsed) }
}

enum ChardevOption {
    static let grammar = ListGrammar(
        implied: "backend", heads: kinds, shared: ["id"], identity: .always,
        overview: "Available chardev backend types: \n" + kinds.map { "  " + $0.word }.joined(separator: "\n"),
        check: { list throws(OptionError) in try checkKeys(list) })

    /// Whatever the device is, each key is one of some device's.
    private static func checkKeys(_ list: KeyValueList) throws(OptionError) {
        for pair in list.without("backend", "id").pairs { try SetOption.check(pair.key, pair.value) }
    }

    /// QEMU's other character devices.
    private static let notYet = [
        "braille", "chardev", "con", "dbus", "fd", "file", "hub", "memory", "msmouse", "parallel", "parport", "pipe",
        "pty", "qemu-vdagent", "ringbuf", "serial", "spiceport", "spicevmc", "testdev", "tty", "udp", "vc", "wctablet",
    ]

    /// `chardev-add`.
    static func plan(_ text: String, location: String?) throws(OptionError) -> ChardevPlan {
        let list = try parsing(location) { () throws(OptionError) in try grammar.read(text) }
        return try plan(list, location: location)
    }

    /// `-chardev`: kind and id stand in the list.
    static func plan(_ list: KeyValueList, location: String?) throws(OptionError) -> ChardevPlan {
        guard let id = list["id"] else { throw OptionError("chardev: no id specified") }
        let name = try parsing(location) { () throws(OptionError) in try Value.identifier(id) }
        guard let kind = list["backend"] else { throw OptionError("chardev: \"\(name)\" missing backend") }
        guard kinds.contains(where: { $0.word == kind }) else { throw unknown(kind) }
        return try plan(kind, id: name, list.without("backend", "id"), location: location)
    }

    /// What QEMU's monitor says behind an error in the list itself.
    static let notParsed = "Parsing chardev args failed"

    private static func parsing<T>(_ location: String?, _ body: () throws(OptionError) -> T) throws(OptionError) -> T {
        do throws(OptionError) { return try body() } catch {
            throw error.adding(consequence: location == nil ? notParsed : nil)
        }
    }

    private static func unknown(_ kind: String) -> OptionError {
        guard notYet.contains(kind) else {
            return OptionError("'\(kind)' is not a valid char driver name")
        }
        return .lack(
            "char driver '\(kind)' is not supported yet",
            hints: ["What works today: \(kinds.map(\.word).joined(separator: ", "))"])
    }

    private static func plan(
        _ kind: String, id: String, _ keys: KeyValueList, location: String?
    ) throws(OptionError) -> ChardevPlan {
        var plan = ChardevPlan(id: id, kind: .null, location: location)
        switch kind {
        case "stdio":
            let values = try parsing(location) { () throws(OptionError) in try standardKeys.read(keys) }
            plan.kind = .stdio(takesSignals: values.boolean("signal") == false)
            plan.isMultiplexed = values.boolean("mux") ?? false
        case "socket":
            let values = try parsing(location) { () throws(OptionError) in try socketKeys.read(keys) }
            plan.kind = .socket(try socket(values))
            plan.isMultiplexed = values.boolean("mux") ?? false
        default:
            let values = try parsing(location) { () throws(OptionError) in try nullKeys.read(keys) }
            plan.isMultiplexed = values.boolean("mux") ?? false
        }
        return plan
    }

    private static func socket(_ values: CheckedValues) throws(OptionError) -> SocketChardevPlan {
        let isServer = values.boolean("server") ?? false
        var plan = SocketChardevPlan(address: SocketAddressOption.named(try address(values), isServer: isServer))
        plan.isServer = isServer
        plan.waits = plan.isServer && values.boolean("wait") ?? true
        if values.boolean("delay") != nil, values.boolean("nodelay") != nil {
            throw OptionError("'delay' and 'nodelay' are mutually exclusive")
        }
        plan.isTelnet = values.boolean("telnet") ?? false
        plan.hasNoDelay = values.boolean("nodelay") ?? (values.boolean("delay") == false)
        if values.boolean("wait") != nil, !plan.isServer {
            throw OptionError("'wait' option is incompatible with socket in client connect mode")
        }
        if case .descriptor = plan.address, values.number("reconnect-ms") != nil {
            throw OptionError("'reconnect-ms' option is incompatible with 'fd' address type")
        }
        plan.reconnect = try values.reconnect(isServer: plan.isServer, "server listen mode")
        return plan
    }

    private static func address(_ values: CheckedValues) throws(OptionError) -> StreamAddress {
        let given = ["path", "host", "fd"].filter {
            values.string($0) != nil || $0 == "host" && values.string("port") != nil
        }
        guard given.count == 1 else {
            throw OptionError(
                given.isEmpty
                    ? "chardev: socket: no path, host or fd given"
                    : "None or one of 'path', 'fd' or 'host' option required.")
        }
        switch given[0] {
        case "path":
            return .unix(
                UnixAddress(
                    path: values.path("path") ?? "", isAbstract: values.boolean("abstract") ?? false,
                    isTight: values.boolean("tight") ?? true))
        case "fd":
            let text = values.string("fd") ?? ""
            guard Int32(text) != nil else { throw OptionError("Unable to parse FD number \(text)") }
            return .descriptor(try SocketAddressOption.number(text))
        default: return .inet(try inet(values))
        }
    }

    private static func inet(_ values: CheckedValues) throws(OptionError) -> InternetName {
        guard let port = values.string("port") else { throw OptionError("chardev: socket: no port given") }
        var name = InternetName(host: values.string("host") ?? "", port: port)
        name.ipv4 = values.boolean("ipv4")
        name.ipv6 = values.boolean("ipv6")
        guard let last = values.number("to") else { return name }
        guard let fitting = UInt16(exactly: last) else { throw OptionError("Parameter 'to' expects uint16_t") }
        name.lastPort = fitting
        return name
    }

    // MARK: short forms

    static let shortWords = ["stdio", "mon:stdio", "none", "null", "unix:", "tcp:", "telnet:", "chardev:"]
    static let shortForms = "stdio, mon:stdio, none, null, unix:PATH, tcp:HOST:PORT, telnet:HOST:PORT, chardev:ID"

    /// What stands behind `-monitor` or `-serial`.
    enum Short {
        case none
        case device(ChardevPlan)
        /// `chardev:ID`: one of `-chardev`.
        case existing(String)
    }

    /// - Parameter consequence: what QEMU says behind the reason why there is no such device.
    static func short(_ text: String, id: String, location: String, consequence: String) throws(OptionError) -> Short {
        if text == "none" { return .none }
        if text.hasPrefix("chardev:") { return .existing(String(text.dropFirst(8))) }
        let isShared = text.hasPrefix("mon:")
        let rest = isShared ? String(text.dropFirst(4)) : text
        var plan = ChardevPlan(id: id, kind: .null, location: location)
        switch rest {
        case "null": break
        case "stdio": plan.kind = .stdio(takesSignals: isShared)
        default: plan.kind = .socket(try shortSocket(rest, consequence))
        }
        plan.isMultiplexed = isShared
        return .device(plan)
    }

    private static func shortSocket(_ text: String, _ consequence: String) throws(OptionError) -> SocketChardevPlan {
        for scheme in ["unix:", "tcp:", "telnet:"] where text.hasPrefix(scheme) {
            let list = try KeyValueList(parsing: String(text.dropFirst(scheme.count)), implied: "where")
            guard let place = list["where"], !place.isEmpty else {
                throw OptionError("Parameter '\(scheme == "unix:" ? "path" : "host")' is missing")
            }
            var pairs = list.without("where").pairs
            if scheme == "unix:" {
                pairs.append(KeyValueList.Pair("path", place))
            } else {
                guard let colon = place.lastIndex(of: ":"), colon != place.indices.last else {
                    throw OptionError("'\(text)': HOST:PORT is wanted")
                }
                var host = String(place[..<colon])
                if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
                pairs += [
                    KeyValueList.Pair("host", host),
                    KeyValueList.Pair("port", String(place[place.index(after: colon)...])),
                ]
                if scheme == "telnet:" { pairs.append(KeyValueList.Pair("telnet", "on")) }
            }
            return try socket(try socketKeys.read(KeyValueList(pairs: pairs)))
        }
        throw refusal(of: text, consequence)
    }

    private static func refusal(of text: String, _ consequence: String) -> OptionError {
        let head = String(text.prefix { $0 != ":" })
        if notYet.contains(head) || head == "websocket" || text.hasPrefix("/dev/") {
            return .lack("not supported yet", hints: ["What works today: \(shortForms)"])
        }
        return OptionError(
            "'\(text)' is not a valid char driver", consequence: consequence,
            hints: ["What is accepted: \(shortForms)"])
    }
}
