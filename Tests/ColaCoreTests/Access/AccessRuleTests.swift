import ColaCore
import ColaTesting
import Testing

/// Who may do what, for every request there is.
@Suite(.timeLimit(.minutes(5))) struct AccessRuleTests {
    /// A broker with queues, a topic and exchanges, and bob, who may do with them what his patterns say.
    private func scene(
        configure: String = "", write: String = "", read: String = "", tags: [String] = []
    ) -> (scene: Scene, bob: ChannelID, administrator: ChannelID) {
        let scene = Scene()
        let administrator = scene.attach()
        var user = UserChange(name: "bob")
        user.tags = tags
        for request: Request in [
            .setUser(user),
            .setPermission(PermissionDefinition(user: "bob", configure: configure, write: write, read: read)),
            .declareQueue(QueueDeclaration(name: "q")), .declareTopic(name: "t", partitions: 1, Arguments()),
            .declareExchange(ExchangeDeclaration(name: "x", kind: .topic)),
            .bind(BindingDefinition(source: "x", destination: "q", routingKey: "#")),
        ] {
            scene.broker.send(request, from: administrator)
        }
        scene.broker.run()
        _ = scene.broker.hear(administrator)
        return (scene, attach(scene, 2), administrator)
    }

    private func attach(_ scene: Scene, _ id: UInt64, to host: String = "/") -> ChannelID {
        let channel = ChannelID(1_000 + id)
        scene.broker.apply(
            .attach(channel, ChannelInfo(protocolName: "test", host: host, peer: "p", user: "bob", client: "till")))
        return channel
    }

    private func answer(_ scene: Scene, _ request: Request, _ channel: ChannelID) -> String {
        scene.broker.send(request, from: channel)
        scene.broker.run()
        switch scene.answers(channel).last {
        case .refused(let code)?: return code
        case nil: return "nothing"
        default: return "ok"
        }
    }

    private func publish(_ exchange: String, _ key: String) -> Request {
        .publish(Publish(exchange: exchange, routingKey: key, message: Message(value: Array("m".utf8)[...])))
    }

    /// One of each, with the permission that each of its needs is about.
    private var requests: [(request: Request, needs: [(Need.Operation, String)])] {
        var withDeadLetters = QueueDeclaration(name: "new")
        withDeadLetters.arguments.deadLetterExchange = "x"
        var alters = Arguments()
        alters.deadLetterExchange = ""
        let binding = BindingDefinition(source: "x", destination: "q", routingKey: "k")
        let through = BindingDefinition(source: "x", target: .exchange, destination: "y", routingKey: "k")
        return [
            (publish("", "q"), [(.write, "amq.default")]), (publish("x", "k"), [(.write, "x")]),
            (.declareQueue(QueueDeclaration(name: "q")), [(.configure, "q")]),
            (.declareQueue(withDeadLetters), [(.configure, "new"), (.read, "new"), (.write, "x")]),
            (.declareTopic(name: "t", partitions: 1, Arguments()), [(.configure, "t")]),
            (.declareExchange(ExchangeDeclaration(name: "x", kind: .topic)), [(.configure, "x")]),
            (
                .declareExchange(ExchangeDeclaration(name: "z", kind: .fanout, alternate: "x")),
                [(.configure, "z"), (.read, "z"), (.write, "x")]
            ),
            (.alter(name: "q", set: alters, clear: []), [(.configure, "q"), (.read, "q"), (.write, "amq.default")]),
            (.deleteQueue(name: "q", ifUnused: false, ifEmpty: false), [(.configure, "q")]),
            (.deleteTopic(name: "t"), [(.configure, "t")]),
            (.deleteExchange(name: "x", ifUnused: false), [(.configure, "x")]),
            (.deleteGroup(topic: "t", group: "g"), [(.configure, "t")]),
            (.bind(binding), [(.write, "q"), (.read, "x")]), (.unbind(binding), [(.write, "q"), (.read, "x")]),
            (.bind(through), [(.write, "y"), (.read, "x")]),
            (.purge(name: "q"), [(.read, "q")]), (.get(name: "q", isAutoAck: true), [(.read, "q")]),
            (.peek(name: "q", partition: 0, from: Offset(0), count: 1), [(.read, "q")]),
            (.consume(Consume(name: "q", consumer: ConsumerTag(1), flow: .prefetch(1))), [(.read, "q")]),
            (.commitOffset(topic: "t", partition: 0, group: "g", next: Offset(0)), [(.read, "t")]),
            (
                .redrive(name: "q", target: "r", count: nil),
                [(.read, "q"), (.write, "amq.default"), (.write, "r")]
            ),
            (.transaction([(RequestID(1), publish("x", "k"))]), [(.write, "x")]),
        ]
    }

    @Test func eachRequestTakesItsPermissionsAndNoOthers() {
        for (request, needs) in requests {
            func pattern(_ operation: Need.Operation, without missing: Int? = nil) -> String {
                let names = needs.enumerated().filter { $0.element.0 == operation && $0.offset != missing }.map {
                    "^\($0.element.1)$"
                }
                return names.joined(separator: "|")
            }
            // With all of them but one it is refused, whichever that is.
            for missing in needs.indices {
                let (scene, bob, _) = scene(
                    configure: pattern(.configure, without: missing), write: pattern(.write, without: missing),
                    read: pattern(.read, without: missing))
                #expect(answer(scene, request, bob) == "access_refused", "\(request) without \(needs[missing])")
            }
            let (scene, bob, _) = scene(
                configure: pattern(.configure), write: pattern(.write), read: pattern(.read))
            #expect(answer(scene, request, bob) != "access_refused", "\(request)")
        }
    }

    @Test func whatConcernsTheServerTakesATag() {
        let definition = PermissionDefinition(user: "bob", configure: ".*", write: ".*", read: ".*")
        let topic = TopicPermissionDefinition(user: "bob", exchange: "x", write: "", read: "")
        let forAdministrators: [Request] = [
            .setUser(UserChange(name: "eve")), .deleteUser(name: "guest"), .setPermission(definition),
            .clearPermission(user: "guest", host: "/"), .setTopicPermission(topic),
            .clearTopicPermission(user: "bob", host: "/", exchange: nil), .declareVirtualHost(name: "v"),
            .deleteVirtualHost(name: "v"), .list(.users), .list(.passwordHashes), .list(.permissions),
            .list(.topicPermissions),
            .describe(.user("bob")), .backUp(BackupOrder(path: "/x", isFile: false, replaces: false)),
            .workers(.list),
        ]
        let policy = PolicyDefinition(name: "p", pattern: "", arguments: Arguments())
        for request in forAdministrators {
            let (scene, bob, _) = scene(configure: ".*", write: ".*", read: ".*", tags: ["monitoring", "policymaker"])
            #expect(answer(scene, request, bob) == "access_refused", "\(request)")
        }
        for (tags, code) in [([], "access_refused"), (["policymaker"], "ok"), (["administrator"], "ok")] {
            let (scene, bob, _) = scene(tags: tags)
            #expect(answer(scene, .setPolicy(policy), bob) == code)
        }
        let (scene, bob, _) = scene(tags: ["administrator"])
        #expect(answer(scene, .list(.users), bob) == "ok")
        #expect(answer(scene, .declareVirtualHost(name: "v"), bob) == "ok")
        // Whoever makes it can use it.
        #expect(answer(scene, .declareQueue(QueueDeclaration(name: "q")), attach(scene, 9, to: "v")) == "ok")
    }

    @Test func whoHasNoPermissionsInAVirtualHostMayNotBeThere() {
        let (scene, bob, administrator) = scene()
        scene.broker.send(.declareVirtualHost(name: "v"), from: administrator)
        scene.broker.run()
        #expect(answer(scene, .enter, bob) == "ok")
        #expect(answer(scene, .list(.queues), bob) == "ok")
        #expect(answer(scene, .describe(.queue("q")), bob) == "ok")
        let elsewhere = attach(scene, 3, to: "v")
        for request: Request in [.enter, .list(.queues), .describe(.queue("q")), publish("", "q")] {
            #expect(answer(scene, request, elsewhere) == "access_refused", "\(request)")
        }
        #expect(answer(scene, .enter, attach(scene, 4, to: "none")) == "not_found")
    }

    @Test func aChangeHoldsAtOnceAlsoForWhatWasAllowedBefore() {
        let (scene, bob, administrator) = scene(write: ".*")
        for _ in 0..<3 { #expect(answer(scene, publish("", "q"), bob) == "ok") }
        let less = PermissionDefinition(user: "bob", configure: "", write: "^x$", read: "")
        #expect(answer(scene, .setPermission(less), administrator) == "ok")
        #expect(answer(scene, publish("", "q"), bob) == "access_refused")
        #expect(answer(scene, publish("x", "k"), bob) == "ok")
        #expect(answer(scene, .clearPermission(user: "bob", host: "/"), administrator) == "ok")
        #expect(answer(scene, publish("x", "k"), bob) == "access_refused")
    }

    @Test func aDeletedUserMayDoNothing() {
        let (scene, bob, administrator) = scene(configure: ".*", write: ".*", read: ".*", tags: ["administrator"])
        #expect(answer(scene, publish("", "q"), bob) == "ok")
        #expect(answer(scene, .deleteUser(name: "bob"), administrator) == "ok")
        #expect(answer(scene, publish("", "q"), bob) == "access_refused")
        #expect(answer(scene, .list(.users), bob) == "access_refused")
        // Nor does he who gets his name.
        #expect(answer(scene, .setUser(UserChange(name: "bob")), administrator) == "ok")
        #expect(answer(scene, publish("", "q"), bob) == "access_refused")
    }

    @Test func routingKeysOfTopicExchangesHavePatternsOfTheirOwn() {
        let (scene, bob, administrator) = scene(configure: ".*", write: ".*", read: ".*")
        let topic = TopicPermissionDefinition(
            user: "bob", exchange: "x", write: #"^{username}\.{client_id}\."#, read: "^news")
        #expect(answer(scene, .setTopicPermission(topic), administrator) == "ok")
        #expect(answer(scene, publish("x", "bob.till.1"), bob) == "ok")
        #expect(answer(scene, publish("x", "eve.till.1"), bob) == "access_refused")
        // Not for other exchanges.
        #expect(answer(scene, publish("", "q"), bob) == "ok")
        let news = BindingDefinition(source: "x", destination: "q", routingKey: "news.*")
        let all = BindingDefinition(source: "x", destination: "q", routingKey: "#")
        #expect(answer(scene, .bind(news), bob) == "ok")
        #expect(answer(scene, .bind(all), bob) == "access_refused")
        #expect(answer(scene, .clearTopicPermission(user: "bob", host: "/", exchange: nil), administrator) == "ok")
        #expect(answer(scene, publish("x", "eve.till.1"), bob) == "ok")
    }

    @Test func whatIsOnesOwnTakesNothing() {
        let (scene, bob, administrator) = scene(read: "^q$")
        scene.publish("a", to: "q", from: administrator)
        scene.broker.run()
        #expect(answer(scene, .consume(Consume(name: "q", consumer: ConsumerTag(1), flow: .prefetch(1))), bob) == "ok")
        #expect(answer(scene, .settle(first: DeliveryTag(1), last: DeliveryTag(1), .acknowledge), bob) == "ok")
        #expect(answer(scene, .cancel(ConsumerTag(1)), bob) == "ok")
        for request: Request in [.barrier, .statistics, .recover, .prefetch(1, .channel)] {
            #expect(answer(scene, request, bob) == "ok", "\(request)")
        }
    }

    @Test func aNameThatTheBrokerChoosesIsAskedForByItsBeginning() {
        var declaration = QueueDeclaration(name: "")
        declaration.isExclusive = true
        let (scene, bob, _) = scene(configure: #"^cola\.gen-"#)
        #expect(answer(scene, .declareQueue(declaration), bob) == "ok")
        let (other, eve, _) = self.scene(configure: "^q")
        #expect(answer(other, .declareQueue(declaration), eve) == "access_refused")
    }

    @Test func toAskWhetherAQueueIsThereTakesNoPattern() {
        var declaration = QueueDeclaration(name: "q")
        declaration.isPassive = true
        let (scene, bob, _) = scene()
        #expect(answer(scene, .declareQueue(declaration), bob) == "ok")
        declaration.name = "none"
        #expect(answer(scene, .declareQueue(declaration), bob) == "not_found")
    }

    @Test func theSentenceSaysWhoMayNotDoWhatWhere() {
        let need = Need.permission(.write, .exchange(""))
        let refusal = AccessRefusal(user: "bob", host: "/", need: need)
        #expect(
            refusal.description.hasPrefix(
                "access to exchange 'amq.default' in vhost '/' refused for user 'bob': his write pattern"))
    }

    @Test func consumersEndWithThePermissionToRead() {
        let (scene, bob, administrator) = scene(read: ".*")
        for (number, name) in [(1, "q"), (2, "t")] {
            let consume = Consume(name: name, consumer: ConsumerTag(UInt64(number)), flow: .prefetch(10))
            #expect(answer(scene, .consume(consume), bob) == "ok")
        }
        let narrow = PermissionDefinition(user: "bob", configure: "", write: "", read: "^t")
        #expect(answer(scene, .setPermission(narrow), administrator) == "ok")
        #expect(failures(scene, bob) == ["1 access_refused"])
        #expect(answer(scene, publish("", "q"), administrator) == "ok")
        #expect(scene.messages(bob).isEmpty)
        #expect(answer(scene, .clearPermission(user: "bob", host: "/"), administrator) == "ok")
        #expect(failures(scene, bob) == ["2 access_refused"])
    }

    private func failures(_ scene: Scene, _ channel: ChannelID) -> [String] {
        scene.broker.hear(channel).compactMap { heard in
            if case .failed(let tag, let code) = heard { "\(tag) \(code)" } else { nil }
        }
    }

    @Test func whatWasFoundOfAUserIsNotBelievedOfAnother() {
        let (scene, bob, _) = scene(write: ".*")
        #expect(answer(scene, publish("", "q"), bob) == "ok")
        // Over a Unix socket somebody may name himself when he has asked for something already.
        scene.broker.apply(.attach(bob, ChannelInfo(protocolName: "test", peer: "p", user: "eve")))
        #expect(answer(scene, publish("", "q"), bob) == "access_refused")
    }

}
