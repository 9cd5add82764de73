// Moves one live TCP connection from one network namespace to another, as a migrating back-end does with each of its
// sockets. ip(8) builds the network: a bridge, and an address that moves from place A to place B. As anyone:
//
//     unshare -Urn .build/debug/move-connection

import CLinux
import Glibc
import Linux
import RepairHelper

func sh(_ place: CInt, _ command: String) {
    if ne_enter_network(place) != 0 || system(command) != 0 { fatal("\(command) failed") }
}
func fatal(_ text: String) -> Never {
    print("move-connection: \(text)")
    exit(1)
}
func namespace() throws -> CInt {
    _ = try check(ne_unshare_network(), "unshare")
    return try check(ne_open("/proc/self/ns/net", O_RDONLY, 0), "open")
}
func text(from fd: CInt) throws -> String {
    var room = [UInt8](repeating: 0, count: 100)
    _ = try waitReadable(fd, milliseconds: 5000)
    let count = recv(fd, &room, room.count, 0)
    return String(decoding: room.prefix(max(0, count)), as: UTF8.self)
}

let (b, a, peer) = (try namespace(), try namespace(), try namespace())
sh(peer, "ip link add br0 type bridge; ip addr add 10.0.0.2/24 dev br0; ip link set br0 up")
for (name, place) in [("va", a), ("vb", b)] {
    sh(peer, "ip link add \(name) master br0 up type veth peer name eth0 netns /proc/\(getpid())/fd/\(place)")
}

// A server in the peer's namespace, a client in place A: an ordinary connection.
guard let address = InternetSocketAddress("10.0.0.2", port: 7) else { fatal("no address") }
let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
guard address.withSockAddr({ bind(listener, $0, $1) }) == 0, listen(listener, 1) == 0 else { fatal("cannot listen") }
sh(a, "ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up")
let client = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
guard address.withSockAddr({ connect(client, $0, $1) }) == 0 else { fatal("cannot connect") }
let server = accept(listener, nil, nil)
send(server, "sent before the move, read after it", 35, 0)
_ = try waitReadable(client, milliseconds: 5000)

// Silence it, take it down, put it up, move the address, let it speak.
func move(_ socket: CInt) throws -> FileDescriptor {
    let frozen = try FrozenSocket(FileDescriptor(owning: socket))
    let bytes = try frozen.dump().encoded
    sh(b, "ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up")
    let restored = try RestoredSocket.restore(TCPSocketState(decoding: bytes))
    sh(a, "ip addr del 10.0.0.1/24 dev eth0")
    try frozen.letGo()
    return try restored.resume().take()
}
let live = try move(client).release()

print("place B reads: \(try text(from: live))")
send(live, "an answer from place B", 22, 0)
print("the peer reads: \(try text(from: server))")
