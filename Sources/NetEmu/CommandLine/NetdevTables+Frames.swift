// The keys of the other back-ends: stream, vhost-user, hubport, and the socket addresses that they share
// with character devices.

extension NetdevTables {
    static let stream = KeyTable(
        title: "stream",
        rows: [
            KeyRow("server", .boolean, "listen (default off: connect)"),
            KeyRow("reconnect-ms", .integer, "connect again this long after a connection ended (default 0: never)"),
        ] + address)

    /// A SocketAddress, by its type.
    static let address =
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
        KeyRow("addr.to", .integer, "inet: listen at the first free port up to this one"),
        KeyRow("addr.ipv4", .boolean, "inet: use IPv4"),
        KeyRow("addr.ipv6", .boolean, "inet: use IPv6"),
        KeyRow("addr.keep-alive", .boolean, "inet: let TCP probe a silent peer"),
        KeyRow("addr.keep-alive-count", .integer, "inet: probes before the connection is given up"),
        KeyRow("addr.keep-alive-idle", .integer, "inet: seconds of silence before the first probe"),
        KeyRow("addr.keep-alive-interval", .integer, "inet: seconds between probes"),
        KeyRow("addr.mptcp", .boolean, "inet: multipath TCP"),
    ]

    static let otherAddresses = [
        KeyRow("addr.str", .string, "fd: the number of an open descriptor"),
        KeyRow("addr.cid", .string, "vsock: the context"),
        KeyRow("addr.port", .string, "vsock: the port"),
    ]

    static let vhostUser = KeyTable(
        title: "vhost-user",
        rows: [
            KeyRow("chardev", .string, "the id of a unix socket, in either role"),
            KeyRow("vhostforce", .boolean, "QEMU's does nothing any more, either", hasEffect: false),
            KeyRow("queues", .integer, "queue pairs; one today"),
        ])

    static let hubPort = KeyTable(
        title: "hubport",
        rows: [
            KeyRow("hubid", .integer, "which hub"),
            KeyRow("netdev", .string, "the id of a back-end that hangs on the port"),
        ])

    /// `-net nic`.
    static let legacyNIC = KeyTable(
        title: "nic",
        rows: [
            KeyRow("netdev", .string, "the id of a back-end (default: hub 0)"),
            KeyRow("macaddr", .string, "the card's MAC address"),
            KeyRow("model", .string, "the card's model"),
            KeyRow("name", .string, "what the monitor calls the card"),
            KeyRow("addr", .string, "netemu has no PCI bus", hasEffect: false),
            KeyRow("vectors", .unsigned, "netemu has no MSI-X vectors", hasEffect: false),
        ])

    /// `-chardev socket`, and `unix:`, `tcp:` and `telnet:` of -monitor and -serial.
    static let socketChardev = KeyTable(
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

    static let standardChardev = KeyTable(
        title: "stdio",
        rows: [
            KeyRow("signal", .boolean, "Ctrl-C and Ctrl-Z are signals (default on)"),
            KeyRow("mux", .boolean, "monitor and console may share it"),
            KeyRow("logfile", .notYet, ""), KeyRow("logappend", .notYet, ""),
        ])

    static let nullChardev = KeyTable(
        title: "null", rows: [KeyRow("mux", .boolean, "monitor and console may share it")])

    /// `-mon`.
    static let monitor = KeyTable(
        title: "mon",
        rows: [
            KeyRow("chardev", .string, "the id of a character device"),
            KeyRow("mode", .string, "readline; control is not supported yet"),
            KeyRow("pretty", .boolean, "of control mode"),
        ])

    static let chardevKinds = ["null", "socket", "stdio"]
    /// QEMU's other character devices.
    static let chardevsNotYet = [
        "braille", "chardev", "con", "dbus", "fd", "file", "hub", "memory", "msmouse", "parallel", "parport", "pipe",
        "pty", "qemu-vdagent", "ringbuf", "serial", "spiceport", "spicevmc", "testdev", "tty", "udp", "vc", "wctablet",
    ]
}
