// `-netdev stream`: frames over a stream socket, each behind its length. The socket and the protocol are Netdevs'.

import Linux
import Netdevs

/// A stream socket in either role.
struct StreamKind: NetdevKind {
    static let name = "stream"
    static let dialect = KeyValueList.Dialect.strict
    let address: StreamAddress
    let isServer: Bool
    /// Milliseconds between attempts to connect again; 0 never does.
    let reconnect: UInt32

    private static let own = [
        KeyRow("server", .boolean, "listen (default off: connect)"),
        KeyRow("reconnect-ms", .integer, "connect again this long after a connection ended (default 0: never)"),
    ]
    static let keys = KeyTable(title: name, rows: own + SocketAddressOption.rows)

    init(_ list: KeyValueList) throws(OptionError) {
        let dialect = list.dialect == .json ? list.dialect : Self.dialect
        let typed = try SocketAddressOption.read(KeyValueList(pairs: list.pairs, dialect: dialect))
        let others = list.pairs.filter { !$0.key.hasPrefix("addr.") && $0.key != "addr" }
        let values = try KeyTable(title: Self.name, rows: Self.own).read(KeyValueList(pairs: others, dialect: dialect))
        isServer = values.boolean("server") ?? false
        address = SocketAddressOption.named(typed, isServer: isServer)
        reconnect = try values.reconnect(isServer: isServer, "server mode")
    }

    func make(_ site: NetdevSite) throws(EmulationError) -> any Netdev {
        let netdev = StreamNetdev(address, isServer ? .server : .client(reconnect: reconnect), on: site.reactor)
        let name = site.name
        let warnings = LimitedWarnings(on: site.reactor, say: site.voice.warn)
        netdev.onNotice = { warnings.warn("\(name): \($0)") }
        return StreamBackEnd(netdev)
    }
}
