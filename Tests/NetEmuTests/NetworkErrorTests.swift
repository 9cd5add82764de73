// What is said of back-ends, hubs, character devices, monitors, objects and cards that cannot be: QEMU 11.1's words,
// each measured with that command line, those of netemu are in NetworkOwnTextTests.

import PasstLauncher
import Testing

@testable import NetEmu

/// A line and the text that follows the option at fault: all of the line, or `place`.
func fault(_ line: String, _ text: String, at place: String? = nil) -> Refusal {
    Refusal(line, "\(place ?? line): \(text)")
}

let identifierHint = "\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter."
private let unix = "addr.type=unix,addr.path=/tmp/qq"
private let inet = "addr.type=inet,addr.host=127.0.0.1,addr.port=1"

private let netdevs: [Refusal] = [
    fault("-netdev foo", "Parameter 'id' is missing"), fault("-netdev passt", "Parameter 'id' is missing"),
    fault("-netdev hubport", "Parameter 'id' is missing"), fault("-netdev stream", "Parameter 'id' is missing"),
    fault("-netdev vhost-user", "Parameter 'id' is missing"), fault("-netdev id=x", "Parameter 'type' is missing"),
    fault("-netdev id=x,type=foo", "Parameter 'type' does not accept value 'foo'"),
    fault("-netdev none,id=x", "network backend 'none' is not compiled into this binary"),
    fault("-netdev nic,id=x", "network backend 'nic' is not compiled into this binary"),
    fault("-netdev netmap,id=x,ifname=v", "network backend 'netmap' is not compiled into this binary"),
    fault("-netdev type=passt,id=1x", "Parameter 'id' expects an identifier" + identifierHint),
    fault("-netdev hubport,id=x", "Parameter 'hubid' is missing"),
    fault("-netdev hubport,id=x,hubid=abc", "Parameter 'hubid' expects an int64 value"),
    fault("-netdev hubport,id=x,hubid=", "Parameter 'hubid' expects an int64 value"),
    fault("-netdev hubport,id=x,hubid=3000000000", "Parameter 'hubid' expects int32_t"),
    fault("-netdev hubport,id=x,hubid=0x10,bogus=1", "Invalid parameter 'bogus'"),
    fault("-netdev hubport,id=x,hubid=0,netdev=nosuch", "netdev 'nosuch' not found"),
    fault(
        #"-netdev {"type":"hubport","id":"h","hubid":1,"netdev":"u"} -netdev passt,id=u"#, "netdev 'u' not found",
        at: #"-netdev {"type":"hubport","id":"h","hubid":1,"netdev":"u"}"#),
    fault(
        "-netdev passt,id=u -netdev hubport,id=x,hubid=0,netdev=u -netdev hubport,id=x,hubid=1",
        "Duplicate ID 'x' for netdev", at: "-netdev hubport,id=x,hubid=1"),
    fault(
        "-netdev stream,id=x,\(unix) -netdev stream,id=x,\(unix)", "Duplicate ID 'x'", at: "-netdev stream,id=x,\(unix)"
    ),
    // The new way comes first: the old one is at fault.
    fault(
        #"-netdev hubport,id=x,hubid=0 -netdev {"type":"hubport","id":"x","hubid":1}"#, "Duplicate ID 'x'",
        at: "-netdev hubport,id=x,hubid=0"),
    fault(
        "-netdev hubport,id=x,hubid=0 -nic hubport,id=x,hubid=0", "Duplicate ID 'x'", at: "-nic hubport,id=x,hubid=0"),
    fault("-netdev passt,id=x,ipv4=maybe", "Parameter 'ipv4' expects 'on' or 'off'"),
    fault("-netdev passt,id=x,,", "Parameter 'id' expects an identifier" + identifierHint),
    fault("-netdev vhost-user,id=x", "Parameter 'chardev' is missing"),
    fault("-netdev vhost-user,id=x,chardev=nosuch", "chardev \"nosuch\" not found"),
    fault(
        "-chardev null,id=c -netdev vhost-user,id=x,chardev=c", "chardev \"c\" is not reconnectable",
        at: "-netdev vhost-user,id=x,chardev=c"),
    fault(
        "-chardev socket,id=c,host=127.0.0.1,port=1,server=on,wait=off -netdev vhost-user,id=x,chardev=c",
        "chardev \"c\" does not support FD passing", at: "-netdev vhost-user,id=x,chardev=c"),
    fault(
        "-chardev socket,id=c,path=/s,server=on,wait=off,mux=on -netdev vhost-user,id=x,chardev=c",
        "chardev \"c\" is not reconnectable", at: "-netdev vhost-user,id=x,chardev=c"),
    fault("-netdev vhost-user,id=x,chardev=c,queues=abc", "Parameter 'queues' expects an int64 value"),
    fault("-netdev vhost-user,id=x,chardev=c,vhostforce=maybe", "Parameter 'vhostforce' expects 'on' or 'off'"),
    fault("-netdev vhost-user,id=x,chardev=c,bogus=1", "Invalid parameter 'bogus'"),
    fault(
        "-chardev socket,id=c,path=/s,server=on,wait=off -netdev vhost-user,id=x,chardev=c,queues=0",
        "vhost-user number of queues must be in range [1, 1024]", at: "-netdev vhost-user,id=x,chardev=c,queues=0"),
]

private let streams: [Refusal] = [
    fault("-netdev stream,id=x", "Parameter 'addr' is missing"),
    fault("-netdev stream,\(unix)", "Parameter 'id' is missing"),
    fault("-netdev stream,id=x,addr", "Expected '=' after parameter 'addr'"),
    fault("-netdev stream,id=x,server,\(unix)", "Expected '=' after parameter 'server'"),
    fault("-netdev stream,id=x,addr=foo", "Invalid parameter type for 'addr', expected: object"),
    fault("-netdev stream,id=x,addr.path=/tmp/qq", "Parameter 'addr.type' is missing"),
    fault("-netdev stream,id=x,addr.type=foo", "Parameter 'type' does not accept value 'foo'"),
    fault("-netdev stream,id=x,addr.type.x=1", "Parameters 'addr.type.*' are unexpected"),
    fault("-netdev stream,id=x,addr_type=1", "Parameter 'addr' is missing"),
    fault("-netdev stream,id=x,.foo=1", "Invalid parameter '.foo'"),
    fault("-netdev stream,id=x,addr..type=1", "Invalid parameter 'addr..type'"),
    fault("-netdev stream,id=x,1addr=1", "Invalid parameter '1addr'"),
    fault("-netdev stream,id=x,=1", "Invalid parameter ''"),
    fault("-netdev stream,id=x,\(unix),bogus=1", "Parameter 'bogus' is unexpected"),
    fault("-netdev stream,id=x,bogus.a=1,\(unix)", "Parameter 'bogus' is unexpected"),
    fault("-netdev stream,id=x,\(unix),addr.bogus=1", "Parameter 'addr.bogus' is unexpected"),
    fault("-netdev stream,id=x,addr.type=unix", "Parameter 'addr.path' is missing"),
    fault("-netdev stream,id=x,\(unix),addr.path.foo=1", "Parameters 'addr.path.*' used inconsistently"),
    fault(
        "-netdev stream,id=x,addr.type=unix,addr.path.foo=1,addr.path=/q",
        "Parameters 'addr.path.*' used inconsistently"),
    fault("-netdev stream,id=x,server=on,server.x=on,\(unix)", "Parameters 'server.*' used inconsistently"),
    fault("-netdev stream,id=x,\(unix),addr.abstract=maybe", "Parameter 'addr.abstract' expects 'on' or 'off'"),
    fault("-netdev stream,id=x,server=maybe,\(unix)", "Parameter 'server' expects 'on' or 'off'"),
    fault("-netdev stream,id=x,\(unix),reconnect-ms=abc", "Parameter 'reconnect-ms' expects integer"),
    fault("-netdev stream,id=x,reconnect=1,\(unix)", "Parameter 'reconnect' is unexpected"),
    fault(
        "-netdev stream,id=x,server=on,reconnect-ms=1,\(unix)",
        "'reconnect-ms' option is incompatible with socket in server mode"),
    fault("-netdev stream,id=x,addr.type=inet,addr.host=h", "Parameter 'addr.port' is missing"),
    fault("-netdev stream,id=x,addr.type=inet,addr.port=1", "Parameter 'addr.host' is missing"),
    fault("-netdev stream,id=x,\(inet),addr.path=/x", "Parameter 'addr.path' is unexpected"),
    fault("-netdev stream,id=x,\(inet),addr.to=70000", "Parameter 'to' expects uint16_t"),
    fault("-netdev stream,id=x,\(inet),addr.to=abc", "Parameter 'addr.to' expects integer"),
    fault("-netdev stream,id=x,\(inet),addr.ipv4=foo", "Parameter 'addr.ipv4' expects 'on' or 'off'"),
    fault(
        "-netdev stream,id=x,\(inet),addr.keep-alive-count=abc", "Parameter 'addr.keep-alive-count' expects integer"),
    fault("-netdev stream,id=x,addr.type=fd", "Parameter 'addr.str' is missing"),
    fault("-netdev stream,id=x,addr.type=vsock,addr.cid=1", "Parameter 'addr.port' is missing"),
]

/// A JSON list without its outer quotes.
func json(_ text: String, _ said: String) -> Refusal { fault("-netdev {\(text)}", said) }

private let jsonLists: [Refusal] = [
    json(#""type":"hubport","id":"x","hubid":"0""#, "Invalid parameter type for 'hubid', expected: integer"),
    json(#""type":"hubport","id":"x","hubid":3000000000"#, "Parameter 'hubid' expects int32_t"),
    json(#""type":"hubport","id":"x","hubid":1.5"#, "Invalid parameter type for 'hubid', expected: integer"),
    json(#""type":"hubport","id":"x","hubid":true"#, "Invalid parameter type for 'hubid', expected: integer"),
    json(#""type":"hubport","id":"x","hubid":null"#, "Invalid parameter type for 'hubid', expected: integer"),
    json(#""type":"hubport","id":"x","hubid":[1]"#, "Invalid parameter type for 'hubid', expected: integer"),
    json(#""type":"hubport","id":"x","hubid":[]"#, "Invalid parameter type for 'hubid', expected: integer"),
    json(#""type":"hubport","id":"x","hubid":{"a":1}"#, "Invalid parameter type for 'hubid', expected: integer"),
    json(
        #""type":"hubport","id":"x","hubid":99999999999999999999"#,
        "Invalid parameter type for 'hubid', expected: integer"),
    json(#""type":"hubport","id":"x""#, "Parameter 'hubid' is missing"),
    json(#""type":"hubport","id":5,"hubid":1"#, "Invalid parameter type for 'id', expected: string"),
    json(#""type":5,"id":"x","hubid":1"#, "Invalid parameter type for 'type', expected: string"),
    json(#""type":"foo","id":"x","hubid":1"#, "Parameter 'type' does not accept value 'foo'"),
    json(#""id":"x","hubid":1"#, "Parameter 'type' is missing"),
    json(#""type":"hubport","hubid":1"#, "Parameter 'id' is missing"), json("", "Parameter 'id' is missing"),
    json(#""type":"hubport","id":"x","hubid":1,"bogus":1"#, "Parameter 'bogus' is unexpected"),
    json(#""type":"hubport","id":"x","hubid":1,"bogus":{"a":1}"#, "Parameter 'bogus' is unexpected"),
    json(#""type":"hubport","id":"x","hubid":1,"bogus":[1]"#, "Parameter 'bogus' is unexpected"),
    json(#""type":"hubport","id":"x","hubid":1,"hubid.x":1"#, "Parameter 'hubid.x' is unexpected"),
    json(#""type":"passt","id":"x","tcp-ports":["1"]"#, "Invalid parameter type for 'tcp-ports[0]', expected: object"),
    json(#""type":"passt","id":"x","tcp-ports":"1""#, "Invalid parameter type for 'tcp-ports', expected: array"),
    json(
        #""type":"passt","id":"x","tcp-ports":[{"str":1}]"#,
        "Invalid parameter type for 'tcp-ports[0].str', expected: string"),
    json(
        #""type":"passt","id":"x","tcp-ports":[{"str":"1"},5]"#,
        "Invalid parameter type for 'tcp-ports[1]', expected: object"),
    json(#""type":"passt","id":"x","tcp-ports":[{}]"#, "Parameter 'tcp-ports[0].str' is missing"),
    json(#""type":"passt","id":"x","quiet":"on""#, "Invalid parameter type for 'quiet', expected: boolean"),
    json(#""type":"passt","id":"x","mtu":"1500""#, "Invalid parameter type for 'mtu', expected: integer"),
    json(#""type":"passt","id":"x","path":5"#, "Invalid parameter type for 'path', expected: string"),
    json(#""type":"stream","id":"x","addr":"foo""#, "Invalid parameter type for 'addr', expected: object"),
    json(#""type":"stream","id":"x","addr":5"#, "Invalid parameter type for 'addr', expected: object"),
    json(#""type":"stream","id":"x","addr":[]"#, "Invalid parameter type for 'addr', expected: object"),
    json(#""type":"stream","id":"x","addr":[1]"#, "Invalid parameter type for 'addr', expected: object"),
    json(#""type":"stream","id":"x","addr":null"#, "Invalid parameter type for 'addr', expected: object"),
    json(#""type":"stream","id":"x","addr":{}"#, "Parameter 'addr.type' is missing"),
    json(#""type":"stream","id":"x","addr":{"type":"unix"}"#, "Parameter 'addr.path' is missing"),
    json(
        #""type":"stream","id":"x","addr":{"type":"unix","path":5}"#,
        "Invalid parameter type for 'addr.path', expected: string"),
    json(
        #""type":"stream","id":"x","addr":{"type":5}"#, "Invalid parameter type for 'addr.type', expected: string"),
    json(#""type":"stream","id":"x","addr":{"type":"foo"}"#, "Parameter 'type' does not accept value 'foo'"),
    json(
        #""type":"stream","id":"x","addr":{"type":"unix","path":"/q","bogus":1}"#,
        "Parameter 'addr.bogus' is unexpected"),
    json(
        #""type":"stream","id":"x","server":"on","addr":{"type":"unix","path":"/q"}"#,
        "Invalid parameter type for 'server', expected: boolean"),
    json(
        #""type":"stream","id":"x","reconnect-ms":"1","addr":{"type":"unix","path":"/q"}"#,
        "Invalid parameter type for 'reconnect-ms', expected: integer"),
    json(
        #""type":"stream","id":"x","addr":{"type":"inet","host":"h","port":5}"#,
        "Invalid parameter type for 'addr.port', expected: string"),
    json(#""type":"vhost-user","id":"x""#, "Parameter 'chardev' is missing"),
    json(
        #""type":"vhost-user","id":"x","chardev":"c","queues":"1""#,
        "Invalid parameter type for 'queues', expected: integer"),
    fault(#"-netdev {"type":"hubport"}x"#, "Expecting at most one JSON value"),
    fault(#"-netdev {"type":"user""#, "1:15: JSON parse error, premature end of input"),
    fault(
        #"-device {"driver":"virtio-net-pci","csum":"on"}"#,
        "Invalid parameter type for 'csum', expected: boolean"),
    fault(#"-device {"driver":"virtio-net-pci","host_mtu":"1500"}"#, "Parameter 'host_mtu' expects uint64"),
    fault(#"-device {"netdev":"x"}"#, "Parameter 'driver' is missing"),
    fault(
        #"-device {"driver":"virtio-net-pci","netdev":"nosuch"}"#,
        "Property 'virtio-net-device.netdev' can't find value 'nosuch'"),
    fault(
        #"-object {"qom-type":"memory-backend-memfd","id":"m","size":"1M"}"#, "Parameter 'size' expects uint64"),
    fault(
        #"-object {"qom-type":"memory-backend-memfd","id":"m","size":1048576,"share":"on"}"#,
        "Invalid parameter type for 'share', expected: boolean"),
    fault(#"-object {"qom-type":"memory-backend-memfd","id":"m"}"#, "Parameter 'size' is missing"),
    fault(#"-object {"qom-type":"memory-backend-memfd","size":1}"#, "Parameter 'id' is missing"),
    fault(#"-object {"id":"m"}"#, "Parameter 'qom-type' is missing"),
    fault(#"-object {"qom-type":"foo","id":"m"}"#, "Parameter 'qom-type' does not accept value 'foo'"),
]

private let cards: [Refusal] = [
    fault("-nic hubport", "Parameter 'hubid' is missing"),
    fault("-nic hubport,hubid=abc", "Parameter 'hubid' expects an int64 value"),
    fault("-nic hubport,hubid=0,netdev=x", "netdev 'x' not found"),
    fault("-nic vhost-user", "Parameter 'chardev' is missing"),
    fault("-nic vhost-user,chardev=nosuch", "chardev \"nosuch\" not found"),
    fault("-nic passt,id=1x", "Parameter 'id' expects an identifier" + identifierHint),
    fault("-nic passt,mtu=abc", "Parameter 'mtu' expects an int64 value"),
    fault("-nic nic", "network backend 'nic' is not compiled into this binary"),
    fault("-net foo", "Parameter 'type' does not accept value 'foo'"),
    fault("-net id=x", "Parameter 'type' is missing"),
    fault("-net hubport", "Parameter 'hubid' is missing"),
    fault("-net hubport,hubid=1", "network backend 'hubport' is only supported with -netdev/-nic"),
    fault("-net none,bogus=1", "Invalid parameter 'bogus'"),
    fault("-net passt,bogus=1", "Invalid parameter 'bogus'"),
    fault("-net passt,id=a/b", "Parameter 'id' expects an identifier" + identifierHint),
    fault("-net vhost-user", "Parameter 'chardev' is missing"),
    fault("-net vhost-user,chardev=c", "chardev \"c\" not found"),
    fault("-net nic,type=foo", "Parameter 'type' does not accept value 'foo'"),
    fault("-net nic,bogus=1", "Invalid parameter 'bogus'"),
    fault("-net nic,id=1x", "Parameter 'id' expects an identifier" + identifierHint),
    fault("-net nic,netdev=nosuch", "netdev 'nosuch' not found"),
    fault("-net nic,vectors=abc", "Parameter 'vectors' expects a uint64 value"),
    fault("-net nic,macaddr=foo", "invalid syntax for ethernet address"),
    // -nic mac= has the same sentence without its end.
    fault("-net nic,macaddr=53:54:00:12:34:56", "NIC cannot have multicast MAC address (odd 1st byte)"),
    fault("-device id=x", "Parameter 'driver' is missing"),
    fault("-device virtio-net,id=1x", "Parameter 'id' expects an identifier" + identifierHint),
    fault(
        "-device virtio-net,mac=52:54:00:12:34", "Property 'virtio-net-device.mac' doesn't take value '52:54:00:12:34'"),
    fault("-device virtio-net,csum=maybe", "Parameter 'csum' expects 'on' or 'off'"),
    fault(
        "-device virtio-net,rx_queue_size=100",
        "Invalid rx_queue_size (= 100), must be a power of 2 between 256 and 1024."),
    fault(
        "-device virtio-net,tx_queue_size=100",
        "Invalid tx_queue_size (= 100), must be a power of 2 between 256 and 256"),
    fault("-device virtio-net,host_mtu=abc", "Parameter 'host_mtu' expects integer"),
    fault("-device virtio-net,host_mtu=70000", "Parameter 'host_mtu' expects uint16_t"),
    fault("-device virtio-net,host_mtu=-1", "Parameter 'host_mtu' expects uint16_t"),
    fault("-device e1000,netdev=nosuch", "Property 'e1000.netdev' can't find value 'nosuch'"),
    fault("-device e1000,mac=foo", "Property 'e1000.mac' doesn't take value 'foo'"),
    fault(
        "-netdev hubport,id=x,hubid=0 -device virtio-net,netdev=x -device e1000,netdev=x",
        "Property 'e1000.netdev' can't take value 'x', it's in use", at: "-device e1000,netdev=x"),
]

private let characterDevices: [Refusal] = [
    fault("-chardev null", "chardev: no id specified"), fault("-chardev socket,path=/q", "chardev: no id specified"),
    fault("-chardev id=c", "chardev: \"c\" missing backend"),
    fault("-chardev foo,id=c", "'foo' is not a valid char driver name"),
    fault("-chardev null,id=1c", "Parameter 'id' expects an identifier" + identifierHint),
    fault("-chardev null,id=c,bogus=1", "Invalid parameter 'bogus'"),
    fault("-chardev stdio,id=c,bogus=1", "Invalid parameter 'bogus'"),
    fault("-chardev socket,id=c,path=/q,bogus=1", "Invalid parameter 'bogus'"),
    fault("-chardev stdio,id=c,signal=maybe", "Parameter 'signal' expects 'on' or 'off'"),
    fault(
        "-chardev null,id=c -chardev null,id=c", "Duplicate ID 'c' for chardev", at: "-chardev null,id=c"),
    fault(
        "-chardev null,id=c -chardev null,id=c,bogus=1", "Duplicate ID 'c' for chardev",
        at: "-chardev null,id=c,bogus=1"),
    fault("-chardev socket,id=c,path=/q,host=h", "None or one of 'path', 'fd' or 'host' option required."),
    fault("-chardev socket,id=c,fd=99,path=/q", "None or one of 'path', 'fd' or 'host' option required."),
    fault("-chardev socket,id=c,host=h", "chardev: socket: no port given"),
    fault("-chardev socket,id=c,fd=foo", "Unable to parse FD number foo"),
    fault("-chardev socket,id=c,path=/q,server=maybe", "Parameter 'server' expects 'on' or 'off'"),
    fault("-chardev socket,id=c,path=/q,abstract=maybe", "Parameter 'abstract' expects 'on' or 'off'"),
    fault(
        "-chardev socket,id=c,path=/q,wait=off", "'wait' option is incompatible with socket in client connect mode"),
    fault(
        "-chardev socket,id=c,path=/q,server=on,wait=off,reconnect-ms=1",
        "'reconnect-ms' option is incompatible with socket in server listen mode"),
    fault("-chardev socket,id=c,path=/q,reconnect-ms=abc", "Parameter 'reconnect-ms' expects a number"),
    fault("-chardev socket,id=c,host=127.0.0.1,port=1,to=abc", "Parameter 'to' expects a number"),
    fault("-chardev socket,id=c,path=/q,delay=off,nodelay=on", "'delay' and 'nodelay' are mutually exclusive"),
    fault("-mon nosuch", "chardev \"nosuch\" not found"), fault("-mon mode=readline", "Parameter 'chardev' is missing"),
    fault("-mon chardev=nosuch,mode=foo", "Parameter 'mode' does not accept value 'foo'"),
    fault("-mon c,bogus=1", "Invalid parameter 'bogus'"),
    fault("-mon c,pretty=maybe", "Parameter 'pretty' expects 'on' or 'off'"),
    fault("-mon c,mode=readline,pretty=on", "'pretty' is not compatible with HMP monitors"),
    fault("-monitor chardev:nosuch", "chardev \"nosuch\" not found"),
]

private let objects: [Refusal] = [
    fault("-object id=x", "Parameter 'qom-type' is missing"),
    fault("-object memory-backend-memfd,id=m", "Parameter 'size' is missing"),
    fault("-object memory-backend-memfd,id=1m,size=1M", "Parameter 'id' expects an identifier" + identifierHint),
    fault("-object memory-backend-memfd,id=m,size=1M,bogus=1", "Invalid parameter 'bogus'"),
    fault("-object memory-backend-memfd,id=m,size=foo", "Parameter 'size' expects a size value"),
    fault("-object memory-backend-memfd,id=m,size=1M,share=maybe", "Parameter 'share' expects 'on' or 'off'"),
    Refusal(
        "-object memory-backend-memfd,id=m,size=0", "property 'size' of memory-backend-memfd doesn't take value '0'"),
    fault(
        "-object memory-backend-memfd,id=m,size=1M -object memory-backend-memfd,id=m,size=1M",
        "Duplicate ID 'm' for object", at: "-object memory-backend-memfd,id=m,size=1M"),
    fault(
        "-object memory-backend-memfd,id=m,size=1M -object memory-backend-memfd,id=m,bogus=1",
        "Duplicate ID 'm' for object", at: "-object memory-backend-memfd,id=m,bogus=1"),
    fault("-object filter-dump,id=f,file=/f.pcap", "Parameter 'netdev' is missing"),
    fault("-object filter-dump,id=f,netdev=u", "Parameter 'file' is missing"),
    fault("-object filter-dump,netdev=u,file=/f.pcap", "Parameter 'id' is missing"),
    fault("-object filter-dump,id=f,netdev=u,file=/f.pcap,bogus=1", "Invalid parameter 'bogus'"),
    fault("-object filter-dump,id=f,netdev=u,file=/f.pcap,maxlen=abc", "Parameter 'maxlen' expects a uint64 value"),
    fault("-object filter-dump,id=f,netdev=u,file=/f.pcap,maxlen=4294967296", "Parameter 'maxlen' expects uint32_t"),
    fault("-object filter-dump,id=f,netdev=u,file=/f.pcap,queue=foo", "Parameter 'queue' does not accept value 'foo'"),
    fault(
        "-object filter-dump,id=f,netdev=u,file=/f.pcap,insert=foo", "Parameter 'insert' does not accept value 'foo'"),
    fault(
        #"-object {"qom-type":"filter-dump","id":"f","netdev":"u","file":"/f.pcap","maxlen":"5"}"#,
        "Parameter 'maxlen' expects uint64"),
    fault("-numa foo", "Parameter 'type' does not accept value 'foo'"),
    fault("-numa memdev=m", "Parameter 'type' is missing"), fault("-numa node,bogus=1", "Invalid parameter 'bogus'"),
    fault("-numa node,nodeid=abc", "Parameter 'nodeid' expects a uint64 value"),
    fault("-name guest=a,bogus=1", "Invalid parameter 'bogus'"), fault("-m 256,bogus=1", "Invalid parameter 'bogus'"),
]

@Suite("refused networks and devices")
struct NetworkErrorTests {
    @Test(
        "QEMU's text answers",
        arguments: [netdevs, streams, jsonLists, cards, characterDevices, objects].flatMap { $0 })
    func qemuText(_ refusal: Refusal) {
        #expect(CommandLineErrorTests.message(refusal.line) == "netemu: " + refusal.answer)
    }

    @Test(
        "what QEMU refuses and netemu does not: -nic and -net take a stream, too",
        arguments: ["-nic stream,\(unix)", "-net stream,\(unix)", "-nic stream,server=on,\(unix),model=virtio"])
    func streamsOfNICs(_ line: String) throws {
        let made = try CommandLineTests.build(line)
        #expect(made.topology.clients.contains { $0.kind == .netdev("stream", worksOnRings: false) })
    }

    @Test("an object's bare word is a boolean that is on, with QEMU's warning")
    func bareWordOfObject() throws {
        let made = try CommandLineTests.build("-nodefaults -object memory-backend-memfd,id=m,size=1M,share")
        #expect(
            made.warnings.map(\.message) == [
                "-object memory-backend-memfd,id=m,size=1M,share: warning: short-form boolean option 'share' deprecated\n"
                    + "Please use share=on instead"
            ])
    }

    @Test("an empty list of strings in JSON is no string")
    func emptyList() throws {
        let made = try CommandLineTests.build(
            #"-netdev {"type":"passt","id":"x","tcp-ports":[],"udp-ports":[{"str":"5"},{"str":"6"}]}"#)
        guard case .netdev(_, let plan)? = made.network.first, let options = (plan.kind as? PasstKind)?.options else {
            Issue.record("no passt")
            return
        }
        #expect(options.tcpPorts == [])
        #expect(options.udpPorts == ["5", "6"])
    }
}
