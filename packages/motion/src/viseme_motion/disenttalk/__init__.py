"""DisentTalk's motion stage: expression by a diffusion network that knows the face's regions."""
