// What the kernel says of connections: who has two ends, and whether an address is one of this network namespace.

import Glibc
import Linux
import Testing

@Suite("the kernel's sockets")
struct SocketDiagnosisTests {
    /// Connects to a listener of this process over the loopback.
    private final class Pair {
        let listener = socket(AF_INET, 1, 0)
        let client = socket(AF_INET, 1, 0)
        let accepted: CInt
        let local: InternetSocketAddress
        let remote: InternetSocketAddress

        init() throws {
            let (listener, client) = (listener, client)
            let any = try #require(InternetSocketAddress("127.0.0.1", port: 0))
            let isBound = any.withSockAddr { bind(listener, $0, $1) } == 0 && listen(listener, 1) == 0
            let remote = try InternetSocketAddress.local(of: listener)
            let isConnected = remote.withSockAddr { connect(client, $0, $1) } == 0
            #expect(isBound && isConnected)
            self.remote = remote
            local = try InternetSocketAddress.local(of: client)
            accepted = accept(listener, nil, nil)
        }

        deinit { for fd in [listener, client, accepted] { close(fd) } }
    }

    private func inode(of fd: CInt) -> UInt32 {
        var status = stat()
        fstat(fd, &status)
        return UInt32(truncatingIfNeeded: status.st_ino)
    }

    @Test("a connection is found by its ends, as the socket that has them")
    func found() throws {
        let pair = try Pair()
        let kernel = try SocketDiagnosis()
        #expect(try kernel.connection(pair.local, pair.remote) == inode(of: pair.client))
        #expect(try kernel.connection(pair.remote, pair.local) == inode(of: pair.accepted))
        #expect(try kernel.hasConnection(pair.local, pair.remote))
        let nobody = try #require(InternetSocketAddress("127.0.0.9", port: 9))
        #expect(try kernel.connection(nobody, pair.remote) == nil)
        #expect(try !kernel.hasConnection(nobody, pair.remote))
    }

    @Test(
        "an address is here when an interface has it",
        arguments: [("127.0.0.1", true), ("::1", true), ("192.0.2.77", false), ("2001:db8:77::1", false)])
    func here(text: String, isHere: Bool) throws {
        let address = try #require(InternetSocketAddress(text, port: 80))
        #expect(address.isHere == isHere)
    }
}
