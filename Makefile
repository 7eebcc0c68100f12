# Every command worth typing. `make` or `make help` explains them.
# TESTS= narrows the tests, NAME= chooses a benchmark, ARGS= goes on to the command.

SHELL := bash
UV := $(shell command -v uv || echo .uv/bin/uv)
RUN := $(UV) run --locked --no-sync
TESTS ?= tests
JOBS ?= 2
.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.uv/bin/uv: # brings uv itself where it is absent, into a folder of its own
	python3 -m venv .uv || python3 -m virtualenv .uv
	.uv/bin/pip install --quiet 'uv>=0.9,<1'

.PHONY: install
install: $(filter .uv/bin/uv,$(UV)) ## Install all packages and tools into .venv, as uv.lock says
	@$(UV) sync --locked --all-groups --compile-bytecode --quiet

.PHONY: test
test: install ## Run the fast tests (set up everything first if need be); TESTS=path narrows, JOBS=1 runs one by one
	@$(RUN) pytest -n $(JOBS) --dist loadfile -m "not slow and not gpu" $(TESTS) $(ARGS)

.PHONY: test-all
test-all: install ## Run every test, the slow ones too
	@$(RUN) pytest $(TESTS) $(ARGS)

.PHONY: lint
lint: install ## Check style, imports between packages, types and spelling
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) lint-imports --cache-dir .import_linter_cache
	@$(RUN) pyright
	@$(RUN) codespell

.PHONY: types
types: install ## Check types only
	@$(RUN) pyright

.PHONY: format
format: install ## Format the code and mend what ruff can mend
	@$(RUN) ruff check --fix --quiet . ; $(RUN) ruff format .

.PHONY: hooks
hooks: install ## Have git check style, layers, types and sizes before every commit
	@$(RUN) pre-commit install

.PHONY: bench
bench: install ## Run the benchmarks and print their tables; NAME=bench_face runs one
	@set -e; for script in benchmarks/$(or $(NAME),bench_*).py; do echo "== $$script"; $(RUN) python $$script $(ARGS); done

.PHONY: figures
figures: install ## Draw the pictures of docs/figures again
	@$(RUN) python -m viseme_face.figures docs/figures

.PHONY: demo
demo: install ## Make out/demo.mp4 of the shipped portrait and voice; AUDIO=file IMAGE=file for one's own
	@$(RUN) viseme demo $(if $(AUDIO),--audio "$(AUDIO)") $(if $(IMAGE),--image "$(IMAGE)") $(ARGS)

.PHONY: serve
serve: install ## Serve a page to try it in the browser; ARGS="--port 8000"
	@$(RUN) viseme serve $(ARGS)

.PHONY: test-page
test-page: install ## Try the page in headless Chromium, which this installs on Debian
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null; }
	@VISEME_NEED_BROWSER=1 $(RUN) pytest -n 0 -m browser tests/pipeline/page $(ARGS)

.PHONY: train-motion
train-motion: install ## Train voice to motion; SYSTEM=fd2talk|disenttalk SCALE=tiny|small|paper DATA=folder
	@$(RUN) python -m viseme_motion fit --config packages/motion/configs/$(or $(SYSTEM),fd2talk)/$(or $(SCALE),tiny).yaml $(if $(DATA),--data.config.path $(DATA)) $(ARGS)

.PHONY: train-listener
train-listener: install ## Train the listener that motion can hear through; SCALE=tiny|real DATA=folder
	@$(RUN) python -m viseme_motion listener fit --config packages/motion/configs/listener/$(or $(SCALE),tiny).yaml $(if $(DATA),--data.config.path $(DATA)) $(ARGS)

.PHONY: train-default
train-default: install ## Train what `viseme generate` uses by default; VIDEOS=folder OUT=folder SPEECH=whisper ARGS="--groups 5"
	@$(RUN) viseme train-default "$(or $(VIDEOS),data/videos)" --out "$(or $(OUT),runs/default)" $(if $(SPEECH),--speech "$(SPEECH)") $(ARGS)

.PHONY: train-landmarks
train-landmarks: install ## Train landmark completion; SCALE=tiny|small|paper DATA=folder
	@$(RUN) python -m viseme_landmarks fit --config packages/landmarks/configs/$(or $(SCALE),tiny).yaml $(if $(DATA),--data.config.path $(DATA)) $(ARGS)

.PHONY: train-lip-expert
train-lip-expert: install ## Train the lip expert that the sync loss of SYSTEM= listens to; DATA=folder
	@$(RUN) python -m viseme_motion expert fit --config packages/motion/configs/$(or $(SYSTEM),fd2talk)/expert.yaml $(if $(DATA),--data.config.path $(DATA)) $(ARGS)

.PHONY: train-render
train-render: install ## Train a renderer; SYSTEM=pirender|talkformer SCALE=tiny|small|paper DATA=folder
	@$(RUN) python -m viseme_render fit --config packages/render/configs/$(or $(SYSTEM),pirender)/$(or $(SCALE),tiny).yaml $(if $(DATA),--data.config.path $(DATA)) $(ARGS)

.PHONY: train-autoencoder
train-autoencoder: install ## Train an autoencoder of pictures; SCALE=tiny|small|paper DATA=folder
	@$(RUN) python -m viseme_render.autoencoder fit --config packages/render/configs/autoencoder/$(or $(SCALE),tiny).yaml $(if $(DATA),--data.config.path $(DATA)) $(ARGS)

.PHONY: train-joint
train-joint: install ## Train landmarks and TalkFormer together; SCALE=tiny|small|paper DATA=folder
	@$(RUN) python -m viseme_pipeline fit --config packages/pipeline/configs/$(or $(SCALE),tiny).yaml $(if $(DATA),--data.config.path $(DATA)) $(ARGS)

.PHONY: train-syncnet
train-syncnet: install ## Train the sync network of viseme-eval; SCALE=tiny|small|paper DATA=folder
	@$(RUN) python -m viseme_eval.syncnet fit --config packages/eval/configs/syncnet/$(or $(SCALE),tiny).yaml $(if $(DATA),--data.config.path $(DATA)) $(ARGS)

.PHONY: evaluate
evaluate: install ## Compare videos: GENERATED=folder REFERENCE=folder OUT=folder
	@$(RUN) viseme-eval run --generated $(GENERATED) --reference $(REFERENCE) --out $(or $(OUT),out/evaluation) $(ARGS)

.PHONY: reproduce-talkformer
reproduce-talkformer: install ## Train TalkFormer in every row of tables III and IV and write a table; ARGS="--scale tiny"
	@$(RUN) python -m viseme_pipeline reproduce $(ARGS)

.PHONY: reproduce-motion
reproduce-motion: install ## Train both systems of motion and every ablation, two hours on two cores, and write a table
	@$(RUN) python -m viseme_motion reproduce $(ARGS)

.PHONY: clean
clean: ## Remove caches and the environment; keeps runs/ and out/
	rm -rf .venv .uv .pytest_cache .ruff_cache .import_linter_cache .hypothesis
