"""What a closed loop hides: stock locust and our load on one server that stalls now and then."""
