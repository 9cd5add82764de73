// Where a migration goes to or comes from, as QEMU writes it. Values only; the sentences are QEMU 11.1's where it has one.

import Linux

/// The other end of a migration.
public enum MigrationURI: Equatable, Sendable {
    /// `tcp:HOST:PORT`, `unix:PATH`.
    case stream(StreamAddress)
    /// `fd:N`: an open descriptor of this process.
    case descriptor(CInt)
    /// `exec:COMMAND`: a program's standard input and output.
    case command(String)
    /// `file:PATH[,offset=N]`.
    case file(path: String, offset: UInt64)
    /// `defer`: to be said later.
    case later

    /// Reads what a user typed.
    public init(_ text: String) throws(MigrationURIError) {
        let (scheme, rest) = Self.cut(text)
        switch (scheme, rest) {
        case ("defer", nil): self = .later
        case ("tcp", let rest?): self = .stream(.inet(try Self.internetName(rest)))
        case ("unix", let rest?):
            guard !rest.isEmpty else { throw .unixAddress }
            self = .stream(.unix(UnixAddress(path: rest)))
        case ("fd", let rest?):
            guard let number = CInt(rest), number >= 0 else { throw .descriptor(rest) }
            self = .descriptor(number)
        case ("exec", let rest?):
            guard !rest.isEmpty else { throw .noCommand }
            self = .command(rest)
        case ("file", let rest?): self = try Self.file(rest)
        default: throw .unknownProtocol(text)
        }
    }

    private static func cut(_ text: String) -> (scheme: String, rest: String?) {
        guard let colon = text.firstIndex(of: ":") else { return (text, nil) }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }

    private static func file(_ text: String) throws(MigrationURIError) -> MigrationURI {
        let mark = ",offset="
        guard let comma = text.lastIndex(of: ","), text[comma...].hasPrefix(mark) else {
            guard !text.isEmpty else { throw .noFile }
            return .file(path: text, offset: 0)
        }
        let number = String(text[comma...].dropFirst(mark.count))
        guard let offset = UInt64(number), offset <= UInt64(Int64.max) else { throw .offset(number) }
        guard comma > text.startIndex else { throw .noFile }
        return .file(path: String(text[..<comma]), offset: offset)
    }

    /// `HOST:PORT`, `:PORT`, `[IPv6]:PORT`, with `,ipv4[=on|off]` and `,ipv6[=on|off]` (inet_parse of util/qemu-sockets.c).
    private static func internetName(_ text: String) throws(MigrationURIError) -> InternetName {
        let words = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let address = words[0]
        var host = ""
        var port = ""
        if address.hasPrefix("[") {
            guard let close = address.firstIndex(of: "]"), address[close...].hasPrefix("]:") else {
                throw .addressIPv6(text)
            }
            host = String(address[address.index(after: address.startIndex)..<close])
            port = String(address[close...].dropFirst(2))
        } else {
            guard let colon = address.firstIndex(of: ":") else { throw .address(text) }
            host = String(address[..<colon])
            port = String(address[address.index(after: colon)...])
        }
        guard !port.isEmpty, host.utf8.count <= 64, port.utf8.count <= 32 else {
            throw host.isEmpty && address.hasPrefix(":") ? .port(text) : .address(text)
        }
        var name = InternetName(host: host, port: port)
        for word in words.dropFirst() { try set(word, of: &name) }
        return name
    }

    private static func set(_ word: String, of name: inout InternetName) throws(MigrationURIError) {
        switch word {
        case "ipv4", "ipv4=on": name.ipv4 = true
        case "ipv4=off": name.ipv4 = false
        case "ipv6", "ipv6=on": name.ipv6 = true
        case "ipv6=off": name.ipv6 = false
        default: throw .option(word)
        }
    }
}

/// Why a text says nowhere.
public enum MigrationURIError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Nothing that is known stands before the colon.
    case unknownProtocol(String)
    /// `tcp:` without host and port.
    case address(String)
    /// `tcp::` without a port.
    case port(String)
    /// `tcp:[` with a bracket that is not closed.
    case addressIPv6(String)
    /// An option behind the address that is none.
    case option(String)
    /// `unix:` without a path.
    case unixAddress
    /// `fd:` without a number.
    case descriptor(String)
    /// `exec:` without a command; `file:` without a path.
    case noCommand, noFile
    /// `,offset=` without a number.
    case offset(String)

    public var description: String {
        switch self {
        case .unknownProtocol(let text): "unknown migration protocol: \(text)"
        case .address(let text): "error parsing address '\(text)'"
        case .port(let text): "error parsing port in address '\(text)'"
        case .addressIPv6(let text): "error parsing IPv6 address '\(text)'"
        case .option(let word): "Invalid parameter '\(word)'"
        case .unixAddress: "invalid Unix socket address"
        case .descriptor(let text): "Invalid file descriptor number '\(text)'"
        case .noCommand: "exec: needs a command"
        case .noFile: "file: needs a path"
        case .offset(let text): "Parameter 'offset' expects a number, not '\(text)'"
        }
    }
}
