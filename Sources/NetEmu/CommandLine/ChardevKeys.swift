// The keys of -chardev, of each kind.

extension ChardevOption {
    /// What can be made.
    static let kinds = [
        ListGrammar.Head("null", nullKeys),
        ListGrammar.Head("socket", socketKeys),
        ListGrammar.Head("stdio", standardKeys),
    ]

    /// `-chardev socket`, and `unix:`, `tcp:` and `telnet:` of -monitor and -serial.
    static let socketKeys = KeyTable(
        title: "socket",
        rows: [
            KeyRow("path", .path, "a unix socket"),
            KeyRow("abstract", .boolean, "path is a name of the abstract name space"),
            KeyRow("tight", .boolean, "an abstract name's address ends with it (default on)"),
            KeyRow("host", .string, "the host to connect to, or the address to listen at"),
            KeyRow("port", .string, "the port"),
            KeyRow("to", .number, "listen at the first free port up to this one"),
            KeyRow("ipv4", .boolean, "use IPv4"),
            KeyRow("ipv6", .boolean, "use IPv6"),
            KeyRow("fd", .string, "the number of an open descriptor"),
            KeyRow("server", .boolean, "listen (default off: connect)"),
            KeyRow("wait", .boolean, "with server=on: start only when a client is there (default on)"),
            KeyRow("reconnect-ms", .number, "connect again this long after a connection ended (default 0: never)"),
            KeyRow("nodelay", .boolean, "small packets leave at once"),
            KeyRow("delay", .boolean, "the opposite of nodelay"),
            KeyRow("telnet", .boolean, "speak telnet"),
            KeyRow("mux", .boolean, "monitor and console may share it"),
            KeyRow("reconnect", .notYet, "Use reconnect-ms="),
            KeyRow("websocket", .notYet, ""), KeyRow("tn3270", .notYet, ""), KeyRow("tls-creds", .notYet, ""),
            KeyRow("tls-authz", .notYet, ""), KeyRow("logfile", .notYet, ""), KeyRow("logappend", .notYet, ""),
        ])

    static let standardKeys = KeyTable(
        title: "stdio",
        rows: [
            KeyRow("signal", .boolean, "Ctrl-C and Ctrl-Z are signals (default on)"),
            KeyRow("mux", .boolean, "monitor and console may share it"),
            KeyRow("logfile", .notYet, ""), KeyRow("logappend", .notYet, ""),
        ])

    static let nullKeys = KeyTable(
        title: "null", rows: [KeyRow("mux", .boolean, "monitor and console may share it")])
}
