// A stream client that asks for a port of its own host before anybody listens there.

import Glibc
import TestSupport
import Testing

@Suite("a stream client")
struct StreamClientTests {
    /// With one port for clients every attempt gets the port that it asks for, and the kernel connects it to itself.
    @Test("is not connected to itself, and finds the server that comes")
    func itself() throws {
        try withGround(as: .mapped) { ground in
            let range = "echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range"
            #expect(try ground.namespace.run(["sh", "-c", range]).status == .exited(0))
            let inet = "addr.type=inet,addr.host=127.0.0.1,addr.port=40000"
            let card = ["-device", "virtio-net-pci,netdev=n", "-monitor", "stdio"]
            let client = try ground.start(
                ["-netdev", "stream,id=n,server=off,\(inet),reconnect-ms=20"] + card, input: .pipe)
            try client.wait(for: "(netemu) ")
            for _ in 0..<20 {
                client.write("info network\n")
                usleep(10_000)
            }
            client.write("info status\n")
            try client.wait(for: "VM status: running")
            #expect(!client.output.contains("tcp:127.0.0.1"), "\(client.output)")
            let wide = "echo 50000 60000 >/proc/sys/net/ipv4/ip_local_port_range"
            #expect(try ground.namespace.run(["sh", "-c", wide]).status == .exited(0))
            let server = try ground.start(["-netdev", "stream,id=n,server=on,\(inet)"] + card, input: .pipe)
            try server.wait(for: "(netemu) ")
            for _ in 0..<1000 where !client.output.contains("tcp:127.0.0.1:40000") {
                client.write("info network\n")
                usleep(20_000)
            }
            #expect(client.output.contains("tcp:127.0.0.1:40000"), "\(client.output)")
        }
    }
}
