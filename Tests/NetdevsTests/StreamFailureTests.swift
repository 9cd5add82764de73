// What QEMU says of stream sockets that could not be made, measured with QEMU 11.1.

import Glibc
import Linux
import Testing

@testable import Netdevs

@Suite("sentences for stream sockets")
struct StreamFailureTests {
    private static func inet(_ host: String, _ port: String, _ ipv4: Bool? = nil) -> StreamAddress {
        var name = InternetName(host: host, port: port)
        (name.ipv4, name.ipv6) = (ipv4, ipv4)
        return .inet(name)
    }

    private static func connect(_ code: CInt) -> StreamFailure { .connect(SystemError(call: "connect", code: code)) }
    private static func listen(_ code: CInt) -> StreamFailure { .listen(SystemError(call: "bind", code: code)) }
    private static let path = StreamAddress.unix(UnixAddress(path: "/p"))

    @Test(
        "each failure has QEMU's sentence",
        arguments: [
            (connect(ENOENT), path, "Failed to connect to '/p': No such file or directory"),
            (connect(ECONNREFUSED), inet("::1", "4502"), "Failed to connect to '::1:4502': Connection refused"),
            (
                connect(ECONNRESET), .vsock(cid: 2, port: 1234),
                "Failed to connect to '2:1234': Connection reset by peer"
            ),
            (connect(ENAMETOOLONG), path, "UNIX socket path '/p' is too long"),
            (listen(ENAMETOOLONG), path, "UNIX socket path '/p' is too long"),
            (listen(ENOENT), path, "Failed to bind socket to /p: No such file or directory"),
            (listen(EADDRINUSE), inet("h", "1"), "Failed to find an available port: Address already in use"),
            (listen(EADDRNOTAVAIL), inet("h", "1"), "Failed to bind socket: Cannot assign requested address"),
            (
                listen(EADDRNOTAVAIL), .vsock(cid: 2, port: 1234),
                "Failed to bind socket: Cannot assign requested address"
            ),
            (listen(EINVAL), .descriptor(30), "Failed to listen on fd socket: Invalid argument"),
            (.noSocket(77), .descriptor(77), "File descriptor '77' is not a socket"),
            (
                .name(NameError(name: ":4502", reason: "Name or service not known")), inet("", "4502"),
                "address resolution failed for :4502: Name or service not known"
            ),
            (
                .name(NameError(name: "h:1", reason: "x")), inet("h", "1", false),
                "Cannot disable IPv4 and IPv6 at same time"
            ),
        ])
    func sentences(failure: StreamFailure, address: StreamAddress, sentence: String) {
        #expect(failure.sentence(at: address) == sentence)
    }
}
